"""A client of Cloudflare's AI Gateway, in its three ways: a provider's own path under account and gateway, the
OpenAI-compatible path, and the universal request, whose steps are tried in order."""
import os

import requests
from openai import OpenAI

gateway = os.environ["WEIR_URL"] + "/v1/my-account/my-gateway"
authorization = {"cf-aig-authorization": "Bearer " + os.environ["WEIR_KEY"]}
provider, model = os.environ["WEIR_MODEL"].split("/", 1)
messages = [{"role": "user", "content": "Hi"}]

native = OpenAI(base_url=f"{gateway}/{provider}", api_key="kept by the gateway", default_headers=authorization)
print(native.chat.completions.create(model=model, messages=messages).choices[0].message.content)

compatible = OpenAI(base_url=f"{gateway}/compat", api_key="kept by the gateway", default_headers=authorization)
print(compatible.chat.completions.create(model=f"{provider}/{model}", messages=messages).choices[0].message.content)

step = {"provider": provider, "endpoint": "chat/completions", "headers": {"content-type": "application/json"}}
universal = requests.post(
    gateway,
    headers=authorization,
    json=[
        {**step, "query": {"model": "no-such-model", "messages": messages}},
        {**step, "query": {"model": model, "messages": messages}},
    ],
    timeout=60,
)
print(universal.json()["choices"][0]["message"]["content"], f"(step {universal.headers['cf-aig-step']})")
