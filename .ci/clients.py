"""Calls every pattern method once with Python's requests, and one with curl: clients.py URL."""

import base64
import subprocess
import sys
from pathlib import Path

import requests

url = sys.argv[1] + "/v1/face/pattern/"
pictures = Path(__file__).parent.parent / "tests/pictures"
read = lambda name: (pictures / name).read_bytes()
collins, hopper = read("collins.jpg"), read("hopper.jpg")


def post(method, **kwargs):
    reply = requests.post(url + method, timeout=60, **kwargs)
    assert reply.status_code == 200, (method, reply.status_code, reply.text)
    return reply


template = post("extract", data=collins, headers={"Content-Type": "image/jpeg"}).content
encoded = post("extract", data=base64.b64encode(collins), headers={"Content-Type": "image/jpeg", "Content-Transfer-Encoding": "base64"})
assert base64.b64decode(encoded.text) == template
assert post("compare", files={"bio_feature": template, "bio_template": ("a.bin", template)}).json()["score"] == 1.0
verify = post("verify", files={"sample": ("me.jpg", collins, "image/jpeg"), "bio_template": template})
assert b'{"score":1.0}' in verify.content and template in verify.content
pair = {"sample_1": ("a", collins), "sample_2": ("b", hopper, "image/jpeg")}
assert post("extract_and_compare", files=pair).json()["decision"] == "declined"
many = [("template_1", template)] + [("templates_n", (f"{i}.bin", template)) for i in range(50)]
assert [r["filename"] for r in post("compare_n", files=many).json()["results"]] == [f"{i}.bin" for i in range(50)]
many = [("sample_1", ("a.jpg", collins)), ("templates_n", ("b", template))]
assert post("verify_n", files=many).json()["results"][0]["decision"] == "approved"
many = [("sample_1", ("a.jpg", collins)), ("samples_n", ("b.jpg", hopper)), ("samples_n", ("c.jpg", collins))]
assert [r["decision"] for r in post("extract_and_compare_n", files=many).json()["results"]] == ["declined", "approved"]
other = post("extract", data=read("collins_dim.png"), headers={"Content-Type": "image/png"}).content
joined = post("join", files=[("templates_n", ("a.bin", template)), ("templates_n", ("b.bin", other))]).content
assert (len(joined), joined[4], joined[10]) == (148, 2, 2)
assert post("compare", files={"bio_feature": joined, "bio_template": template}).json()["decision"] == "approved"

curl = ["curl", "-s", "-F", f"sample_1=@{pictures}/collins.jpg", "-F", f"sample_2=@{pictures}/collins_dim.png", url + "extract_and_compare"]
assert b'"approved"' in subprocess.run(curl, check=True, capture_output=True).stdout
print("requests and curl: all methods answered")
