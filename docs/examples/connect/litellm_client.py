"""A client of a LiteLLM proxy: LiteLLM's own SDK, pointed at Weir."""
import os

import litellm

answer = litellm.completion(
    model="litellm_proxy/" + os.environ["WEIR_MODEL"],
    api_base=os.environ["WEIR_URL"],
    api_key=os.environ["WEIR_KEY"],
    messages=[{"role": "user", "content": "Hi"}],
)
print(answer.choices[0].message.content)
