"""A client of CometAPI: OpenAI's SDK with a base URL that ends in /v1, streaming."""
import os

from openai import OpenAI

client = OpenAI(base_url=os.environ["WEIR_URL"] + "/v1", api_key=os.environ["WEIR_KEY"])
stream = client.chat.completions.create(
    model=os.environ["WEIR_MODEL"],
    messages=[{"role": "user", "content": "Hi"}],
    stream=True,
)
print("".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices))
