// Every method once, as a client does that was generated from the API description. It is compiled beside that client: URL PICTURES.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { CameraApi, Configuration, Decision, DoorApi, ErrorCode, EventsApi, LivenessApi, PatternApi, PeopleApi, Resolution, ResponseError, Scope, ServiceApi } from "./index";

const [url, pictures] = process.argv.slice(2);
const read = (name: string, type: string) => new File([new Uint8Array(readFileSync(`${pictures}/${name}`))], name, { type });
const collins = read("collins.jpg", "image/jpeg");
const hopper = read("hopper.jpg", "image/jpeg");
const called = new Set<string>();

/** Counts what is called. */
function counted<T extends object>(api: T): T {
    const get = (target: T, name: string | symbol) => {
        called.add(String(name));
        const value = (target as any)[name];
        return typeof value === "function" ? value.bind(target) : value;
    };
    return new Proxy(api, { get });
}

/** The score and the template of verify's reply, which is a form. */
async function parts(raw: Response): Promise<[string, number]> {
    const form = await raw.formData();
    return [form.get("score") as string, (form.get("bio_feature") as File).size];
}

async function main() {
    const configuration = new Configuration({ basePath: url });
    const kinds = [ServiceApi, PatternApi, LivenessApi, CameraApi, PeopleApi, DoorApi, EventsApi];
    const service = counted(new ServiceApi(configuration));
    const pattern = counted(new PatternApi(configuration));
    const liveness = counted(new LivenessApi(configuration));
    const camera = counted(new CameraApi(configuration));
    const people = counted(new PeopleApi(configuration));
    const door = counted(new DoorApi(configuration));
    const events = counted(new EventsApi(configuration));

    assert.equal((await service.getVersion()).models[0].name, "face_detection_yunet");
    assert.ok((await service.getAlive()).alive && (await service.getReady()).ready);
    // These clients read JSON, not YAML.
    assert.match(await (await service.getDescriptionRaw()).raw.text(), /^openapi: 3/);
    assert.match(await service.getMetrics(), /faceplate_ready 1/);
    assert.equal((await service.getDoctor()).findings[0].about, "models");
    assert.equal((await service.listSettings()).settings[0].key, "server.listen");
    assert.equal((await pattern.getPatternHealth()).status, 0);
    assert.equal((await liveness.getLivenessHealth()).status, 0);

    const template = await pattern.extract({ body: collins });
    assert.equal(template.size, 148);
    const same = await pattern.compare({ bioFeature: template, bioTemplate: template });
    assert.deepEqual([same.score, same.decision], [1, Decision.DECISION_APPROVED]);
    const verified = await pattern.verifyRaw({ sample: collins, bioTemplate: template });
    assert.deepEqual(await parts(verified.raw), ['{"score":1.0}', 148]);
    assert.equal((await pattern.extractAndCompare({ sample1: collins, sample2: hopper })).decision, "declined");
    const many = await pattern.compareN({ template1: template, templatesN: [template, template] });
    assert.deepEqual(many.results.map((r) => r.decision), ["approved", "approved"]);
    assert.equal((await pattern.verifyN({ sample1: collins, templatesN: [template] })).results[0].decision, "approved");
    const pair = await pattern.extractAndCompareN({ sample1: collins, samplesN: [hopper, collins] });
    assert.deepEqual(pair.results.map((r) => r.decision), ["declined", "approved"]);
    const other = await pattern.extract({ body: read("collins_dim.png", "image/png") });
    assert.equal((await pattern.join({ templatesN: [template, other] })).size, 148);
    const faces = await pattern.getFaces({ body: collins });
    assert.deepEqual([faces.usable, faces.chosen, faces.quality?.score], [true, 0, 100]);

    const analyses = [{ type: "quality", sourceMedia: ["media_key1"], extractBestShot: true }];
    const folder = await liveness.detect({ mediaKey1: collins, payload: { analyses } });
    assert.ok(folder.passed && folder.systemResolution === Resolution.RESOLUTION_SUCCESS);
    assert.match(folder.analyses[0].outputImages![0].imageB64!, /^\/9j\//);

    assert.equal((await camera.getCamera()).state, "on");
    assert.ok((await camera.getCameraFrame()).size > 1000);
    assert.ok((await camera.getCameraFaces({ deadlineMs: 10000 })).usable);
    const stream = (await camera.getCameraStreamRaw()).raw.body!.getReader();
    assert.match(new TextDecoder("latin1").decode((await stream.read()).value), /^--faceplate-frame/);
    await stream.cancel();
    assert.equal((await camera.getCameraChallenge({ acceptLanguage: "de" })).running, false);
    const unlit = await camera.calibrateLight().catch((error) => error);
    assert.equal((await unlit.response.json()).code, ErrorCode.BPE_004006);
    assert.equal((await camera.cameraDetect()).analyses[0].confs.extractBestShot, false);
    const asked = await camera.cameraDetect({ payload: { params: { extractBestShot: true } } });
    assert.equal(asked.analyses[0].confs.extractBestShot, true);
    assert.equal((await camera.cameraExtract({ liveness: "required", deadlineMs: 10000 })).size, 148);
    assert.equal((await parts((await camera.cameraVerifyRaw({ bioTemplate: template })).raw))[1], 148);
    assert.equal((await camera.cameraVerifyN({ templatesN: [template] })).results[0].decision, "approved");

    const refused = await pattern.extract({ body: collins.slice(0, 1000, "image/jpeg") }).catch((error) => error);
    assert.ok(refused instanceof ResponseError);
    assert.equal((await refused.response.json()).code, ErrorCode.BPE_002003);

    for (const left of (await people.listPeople()).people) await people.deletePerson({ id: left.id }); // from a run before
    const ann = await people.createPerson({ personDraft: { name: "Ann Lee", groups: ["staff"] } });
    assert.deepEqual([ann.needsEnrollment, ann.version], [true, 1]);
    const id = ann.id;
    assert.equal((await people.addTemplate({ id, body: collins })).templates[0].quality, 100);
    assert.equal((await people.getPerson({ id })).name, "Ann Lee");
    assert.deepEqual((await people.updatePerson({ id, personDraft: { name: "Ann" }, ifMatch: "*" })).groups, []);
    assert.deepEqual((await people.listPeople({ limit: 1, text: "ann" })).people.map((p) => p.id), [id]);
    const found = await people.identify({ body: collins });
    assert.deepEqual([found.decision, found.person?.id, found.candidates[0].score], ["approved", id, 1]);
    assert.equal((await camera.cameraIdentify({ deadlineMs: 10000 })).person?.id, id);
    const lines = await (await people.exportPeopleRaw({})).raw.text();
    assert.ok(lines.endsWith('{"people":1}\n'));
    const imported = await people.importPeople({ body: lines, replace: true }, { headers: { "Content-Type": "application/x-ndjson" } });
    assert.equal(imported.imported, 1);
    assert.equal((await people.setCredentials({ id, credentialsDraft: { credentials: ["04A2"] } })).credentials, 1);
    assert.equal((await people.deleteTemplate({ id, number: 1 })).deleted, 1);
    assert.equal((await people.getDeletion({ id })).deleted, false);
    assert.equal((await people.deletePerson({ id })).deleted, id);
    const gone = await people.getPerson({ id }).catch((error) => error);
    assert.equal((await gone.response.json()).code, ErrorCode.BPE_006004);

    assert.equal((await door.getDoor()).mode, "off");
    // The service here has no tokens, without which nobody opens a door.
    for (const command of [() => door.openDoor(), () => door.switchDoor({ doorSwitch: { mode: "off" } }), () => door.claimDoor({ claim: { credential: "04A2" } })]) {
        const denied = await command().catch((error) => error);
        assert.equal((await denied.response.json()).code, ErrorCode.BPE_007002);
    }
    // Nor has anybody a session, and tokens are not kept.
    const whose = await service.getSession();
    assert.deepEqual([whose.guarded, whose.session, whose.scopes.includes(Scope.SCOPE_ADMIN), whose.has?.people], [false, false, true, true]);
    const begun = await service.beginSessionRaw();
    assert.deepEqual([(await begun.value()).guarded, begun.raw.headers.get("Set-Cookie")], [false, null]);
    assert.equal((await service.endSession()).ended, false);
    assert.deepEqual((await service.listTokens()).tokens, []);
    const unkept = await service.createToken({ tokenDraft: { name: "desk", scopes: [Scope.SCOPE_CAMERA] } }).catch((error) => error);
    assert.equal((await unkept.response.json()).code, ErrorCode.BPE_008001);
    const unknown = await service.revokeToken({ id: "0".repeat(16) }).catch((error) => error);
    assert.equal((await unknown.response.json()).code, ErrorCode.BPE_008003);
    assert.equal((await events.listEvents({ limit: 1 })).events[0].type, "faceplate.device.started");
    const page = await events.listEvents({ before: 2, type: "device" });
    assert.deepEqual([page.events.length, page.first, page.older], [1, 1, false]);
    const none = await events.getEventPicture({ number: 1 }).catch((error) => error);
    assert.equal((await none.response.json()).code, ErrorCode.BPE_007008);
    const told = (await events.streamEventsRaw({ lastEventID: "none" })).raw.body!.getReader();
    assert.match(new TextDecoder().decode((await told.read()).value), /retry/);
    await told.cancel();

    const plain = (name: string) => name !== "constructor" && !name.endsWith("RequestOpts") && !name.endsWith("Raw");
    const methods = kinds.flatMap((kind) => Object.getOwnPropertyNames(kind.prototype)).filter(plain);
    const missing = methods.filter((name) => !called.has(name) && !called.has(`${name}Raw`));
    assert.deepEqual(missing, []);
    console.log(`the generated TypeScript client: all ${methods.length} methods answered`);
}

main().catch((error) => {
    console.error(error);
    process.exit(1);
});
