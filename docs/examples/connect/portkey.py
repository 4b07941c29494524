"""A client of Portkey: its own SDK, which sends the key as x-portkey-api-key and the provider as x-portkey-provider."""
import os

from portkey_ai import Portkey

provider, model = os.environ["WEIR_MODEL"].split("/", 1)
client = Portkey(base_url=os.environ["WEIR_URL"] + "/v1", api_key=os.environ["WEIR_KEY"], provider=provider)
answer = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Hi"}])
print(answer.choices[0].message.content)
