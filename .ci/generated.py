"""Calls every method once with a client that was generated from the API description: generated.py URL FOLDER, which holds the client."""

import base64
import sys
from email.parser import BytesParser
from pathlib import Path

url, folder = sys.argv[1:]
sys.path.insert(0, folder)
import openapi_client as generated

pictures = Path(__file__).parent.parent / "tests/pictures"
# Generated clients derive the type of a file from its name.
collins, hopper = [(name, (pictures / name).read_bytes()) for name in ("collins.jpg", "hopper.jpg")]
called = set()


class Api:
    """Records which methods are called."""

    def __init__(self, api):
        self.api = api

    def __getattr__(self, name):
        called.add(name.removesuffix("_with_http_info").removesuffix("_without_preload_content"))
        return getattr(self.api, name)


client = generated.ApiClient(generated.Configuration(host=url))
kinds = [generated.ServiceApi, generated.PatternApi, generated.LivenessApi, generated.CameraApi, generated.PeopleApi, generated.DoorApi, generated.EventsApi]
service, pattern, liveness, camera, people, door, events = (Api(kind(client)) for kind in kinds)


def parts(reply):
    """The score and the template in the reply of verify, which is a form."""
    head = f"Content-Type: {reply.headers['Content-Type']}\r\n\r\n".encode()
    score, feature = BytesParser().parsebytes(head + reply.data).get_payload()
    return score.get_payload(), feature.get_payload(decode=True)


assert service.get_version().models[0].name == "face_detection_yunet"
assert service.get_alive().alive and service.get_ready().ready
# Generated clients read JSON, not YAML.
assert service.get_description_without_preload_content().read().startswith(b"openapi: 3")
assert "faceplate_ready 1" in service.get_metrics()
assert "models" in [finding.about for finding in service.get_doctor().findings]
assert service.list_settings().settings[0].key == "server.listen"
assert pattern.get_pattern_health().status == 0 and liveness.get_liveness_health().status == 0

template = pattern.extract(collins)
encoded = pattern.extract(base64.b64encode(collins[1]), content_transfer_encoding="base64")
assert len(template) == 148 and base64.b64decode(encoded) == template
same = pattern.compare(template, template)
assert (same.score, same.decision) == (1, generated.Decision.DECISION_APPROVED)
score, feature = parts(pattern.verify_with_http_info(collins, template))
assert (score.strip(), feature) == ('{"score":1.0}', template)
assert pattern.extract_and_compare(collins, hopper).decision == "declined"
assert [r.decision for r in pattern.compare_n(template, templates_n=[template, template]).results] == ["approved", "approved"]
assert pattern.verify_n(collins, templates_n=[template]).results[0].decision == "approved"
assert [r.filename for r in pattern.extract_and_compare_n(collins, samples_n=[hopper, collins]).results] == ["hopper.jpg", "collins.jpg"]
other = pattern.extract((pictures / "collins_dim.png").read_bytes(), _content_type="image/png")
assert len(pattern.join([template, other])) == 148
faces = pattern.get_faces(collins)
assert faces.usable and faces.reason is None and faces.faces[faces.chosen].box.width > 50 and faces.quality.score == 100

analysis = generated.AskedAnalysis(type="quality", source_media=["media_key1"], extract_best_shot=True)
folder = liveness.detect(media_key1=collins, payload=generated.Payload(analyses=[analysis]))
assert folder.passed and folder.system_resolution == generated.Resolution.RESOLUTION_SUCCESS
assert base64.b64decode(folder.analyses[0].output_images[0].image_b64).startswith(b"\xff\xd8")

assert camera.get_camera().state == "on"
assert camera.get_camera_frame().startswith(b"\xff\xd8")
assert camera.get_camera_faces(deadline_ms=10000).usable
stream = camera.get_camera_stream_without_preload_content()
assert b"image/jpeg" in stream.read(100)
stream.close()
assert camera.get_camera_challenge(accept_language="de").running is False
try:
    camera.calibrate_light()
    raise AssertionError("a screen's light was measured where no page showed any")
except generated.exceptions.BadRequestException as error:
    assert error.data.code == generated.ErrorCode.BPE_004006, error
assert camera.camera_detect().analyses[0].confs.extract_best_shot is False
asked = generated.Payload(params=generated.AnalysisParams(extract_best_shot=True))
assert camera.camera_detect(payload=asked).analyses[0].confs.extract_best_shot is True
assert len(camera.camera_extract(liveness="required", threshold_spoofing=0.5, deadline_ms=10000)) == 148
assert '"score"' in parts(camera.camera_verify_with_http_info(template))[0]
assert camera.camera_verify_n(templates_n=[template]).results[0].decision == "approved"

try:
    pattern.extract((pictures / "collins.jpg").read_bytes()[:1000])
    raise AssertionError("a truncated picture got a template")
except generated.exceptions.BadRequestException as error:
    assert error.data.code == generated.ErrorCode.BPE_002003, error

for left in people.list_people().people:  # from a run before
    people.delete_person(left.id)
ann = people.create_person(generated.PersonDraft(name="Ann Lee", groups=["staff"]))
assert ann.needs_enrollment and ann.version == 1
assert people.add_template(ann.id, body=collins).templates[0].quality == 100
assert people.get_person(ann.id).name == "Ann Lee"
assert people.update_person(ann.id, generated.PersonDraft(name="Ann"), if_match="*").groups == []
assert [person.id for person in people.list_people(limit=1, text="ann").people] == [ann.id]
found = people.identify(collins)
assert (found.decision, found.person.id, found.candidates[0].score) == ("approved", ann.id, 1)
assert camera.camera_identify(deadline_ms=10000).person.id == ann.id
lines = people.export_people_without_preload_content().read().decode()
assert lines.endswith('{"people":1}\n')
assert people.import_people(lines, replace=True).imported == 1
assert people.set_credentials(ann.id, generated.CredentialsDraft(credentials=["04A2"])).credentials == 1
assert people.delete_template(ann.id, 1).deleted == 1
assert door.get_door().mode == generated.DoorMode.DOOR_MODE_OFF
# The service here has no tokens, without which nobody opens a door.
for command in (door.open_door, lambda: door.switch_door(generated.DoorSwitch(mode="off")), lambda: door.claim_door(generated.Claim(credential="04A2"))):
    try:
        command()
        raise AssertionError("a door was commanded without a token")
    except generated.exceptions.ForbiddenException as error:
        assert error.data.code == generated.ErrorCode.BPE_007002, error
page = events.list_events(limit=1000)
assert page.events[0].type == "faceplate.device.started" and page.newest >= len(page.events)
page = events.list_events(before=page.newest + 1, type="device", limit=1)
assert len(page.events) == 1 and page.older is (page.first > 1)
try:
    events.get_event_picture(1)
    raise AssertionError("there is a picture of an event")
except generated.exceptions.NotFoundException as error:
    assert error.data.code == generated.ErrorCode.BPE_007008, error
stream = events.stream_events_without_preload_content(last_event_id="none")
assert b"faceplate.device.started" in stream.read(2000)
stream.close()
# Nor has anybody a session, and tokens are not kept.
whose = service.get_session()
assert (whose.guarded, whose.session, generated.Scope.SCOPE_ADMIN in whose.scopes, whose.has.people) == (False, False, True, True)
begun = service.begin_session_with_http_info()
assert begun.data.guarded is False and "Set-Cookie" not in begun.headers
assert service.end_session().ended is False
assert service.list_tokens().tokens == []
draft = generated.TokenDraft(name="desk", scopes=[generated.Scope.SCOPE_CAMERA])
for change, code in ((lambda: service.create_token(draft), "BPE_008001"), (lambda: service.revoke_token("0" * 16), "BPE_008003")):
    try:
        change()
        raise AssertionError("tokens were changed that are not kept")
    except generated.exceptions.NotFoundException as error:
        assert error.data.code == generated.ErrorCode[code], error
assert people.get_deletion(ann.id).deleted is False
assert people.delete_person(ann.id).deleted == ann.id
try:
    people.get_person(ann.id)
    raise AssertionError("somebody who was deleted is there")
except generated.exceptions.NotFoundException as error:
    assert error.data.code == generated.ErrorCode.BPE_006004, error

methods = {name for kind in kinds for name in vars(kind) if not name.startswith("_")}
methods -= {name for name in methods if name.endswith(("_with_http_info", "_without_preload_content"))}
assert called == methods, methods ^ called
print(f"the generated Python client: all {len(methods)} methods answered")
