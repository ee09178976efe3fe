import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { concat } from "@std/bytes/concat";
import { convert } from "../../../lib/convert/convert.ts";
import { pullModel } from "../../../lib/convert/pull/pull.ts";
import { asRepository, cachedIdOf } from "../../../lib/convert/repository/hub.ts";
import {
  CheckpointFormatError,
  ModelNotFoundError,
  OfflineError,
  WeightsDownloadError,
  WeightsIntegrityError,
} from "../../../lib/errors.ts";
import { encodeSafetensorsHeader } from "../../../lib/model/safetensors.ts";
import { openModel } from "../../../lib/model/file.ts";
import { sha256 } from "../../../lib/model/integrity.ts";
import { resolveModel } from "../../../lib/open_model.ts";
import { isRepositoryId } from "../../../lib/cli/known_models.ts";
import { CHECKPOINTS } from "../../support/checkpoint_logits.ts";

const SAFETENSORS = await Deno.readFile(new URL("timm_e.safetensors", CHECKPOINTS));
const PYTORCH = await Deno.readFile(new URL("zip_d.pth", CHECKPOINTS));
const COMMIT = "0123456789abcdef0123456789abcdef01234567";
const CONFIG = {
  label_names: ["a", "b", "c", "d", "e"],
  pretrained_cfg: { mean: [0.5, 0.4, 0.3], std: [0.2, 0.3, 0.4], input_size: [3, 64, 64] },
};

type Files = Record<string, Uint8Array<ArrayBuffer> | object>;

interface HubSettings {
  readonly files: Files;
  readonly token?: string;
  /** What the host says of a large file's hash; without it the right one. */
  readonly etag?: string;
  /** The commit that is named with a file. */
  readonly commit?: (file: string) => string;
}

/** A host that keeps weights elsewhere, as Hugging Face's does, and what its two servers were asked. */
function serveHub({ files, token, etag, commit = () => COMMIT }: HubSettings) {
  const seen: { host: string; path: string; authorization: string | null; range?: string }[] = [];
  const note = (host: string, { url, headers }: Request): string => {
    const path = decodeURIComponent(new URL(url).pathname), range = headers.get("range");
    const authorization = headers.get("authorization");
    seen.push({ host, path, authorization, ...range === null ? {} : { range } });
    return path;
  };
  const storage = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, (request) => {
    const bytes = files[note("storage", request).slice(1)] as Uint8Array<ArrayBuffer>;
    const begin = Number(/^bytes=(\d+)-/.exec(request.headers.get("range") ?? "")?.[1] ?? 0);
    const headers = { etag: '"1"', "content-range": `bytes ${begin}-/${bytes.length}` };
    if (begin === 0) return new Response(bytes, { headers: { etag: '"1"' } });
    return begin < bytes.length
      ? new Response(bytes.subarray(begin), { status: 206, headers })
      : new Response(null, { status: 416, headers });
  });
  const host = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    async (request) => {
      const path = note("host", request);
      if (token !== undefined && request.headers.get("authorization") !== `Bearer ${token}`) {
        return new Response(null, { status: 401, headers: { "x-error-code": "RepoNotFound" } });
      }
      const [, revision, file] = /^\/mirror\/me\/vgg\/resolve\/([^/]+)\/(.+)$/.exec(path) ?? [];
      if (revision !== "main" && revision !== "v1") {
        return new Response(null, { status: 404, headers: { "x-error-code": "RevisionNotFound" } });
      }
      const contents = files[file!], headers = new Headers({ "x-repo-commit": commit(file!) });
      if (contents === undefined) {
        return new Response(null, { status: 404, headers: { "x-error-code": "EntryNotFound" } });
      }
      if (!(contents instanceof Uint8Array)) return Response.json(contents, { headers });
      headers.set("x-linked-etag", `"${etag ?? await sha256(contents)}"`);
      headers.set("location", `http://127.0.0.1:${storage.addr.port}/${file}`);
      return new Response(null, { status: 302, headers });
    },
  );
  return {
    url: `http://127.0.0.1:${host.addr.port}/mirror/`,
    seen,
    async [Symbol.asyncDispose]() {
      await host.shutdown();
      await storage.shutdown();
    },
  };
}

/** Sets variables while something is done. */
async function withVariables<T>(
  variables: Record<string, string>,
  use: () => Promise<T>,
): Promise<T> {
  for (const [name, value] of Object.entries(variables)) Deno.env.set(name, value);
  try {
    return await use();
  } finally {
    for (const name of Object.keys(variables)) Deno.env.delete(name);
  }
}

Deno.test("convert() reads a repository by its name: weights, labels and preprocessing", async () => {
  await using hub = serveHub({
    files: {
      "model.safetensors": SAFETENSORS,
      "pytorch_model.bin": PYTORCH,
      "config.json": CONFIG,
    },
  });
  const { bytes } = await withVariables(
    { HF_ENDPOINT: hub.url },
    () => convert("hf:me/vgg@v1"),
  );
  const model = await openModel(bytes);
  assertEquals(model.id, "vgg");
  assertEquals(model.labels, ["a", "b", "c", "d", "e"]);
  assertEquals(model.preprocessing.mean, [0.5, 0.4, 0.3]);
  assertEquals(model.provenance.source, `hf:me/vgg@${COMMIT}`);
  assertEquals(model.provenance.sourceSha256, await sha256(SAFETENSORS));
  assertEquals(model.provenance.preprocessing, "read");
  const { bytes: plain } = await convert(SAFETENSORS, { preprocessing: model.preprocessing });
  assertEquals((await openModel(plain)).parameters, model.parameters);
});

Deno.test("a token goes to the host that was named, and to no other", async () => {
  await using hub = serveHub({ files: { "pytorch_model.bin": PYTORCH }, token: "hf_secret" });
  const variables = { VGG16_BASE_URL: hub.url, HF_TOKEN: "hf_secret" };
  await withVariables(variables, () => convert("hf:me/vgg", { inputSize: 64 }));
  const stored = hub.seen.filter(({ host }) => host === "storage");
  assertEquals(stored, [{ host: "storage", path: "/pytorch_model.bin", authorization: null }]);
  for (const { host, authorization } of hub.seen) {
    if (host === "host") assertEquals(authorization, "Bearer hf_secret");
  }
  const error = await withVariables(
    { VGG16_BASE_URL: hub.url, HF_TOKEN: "hf_wrong" },
    () => assertRejects(() => convert("hf:me/vgg"), WeightsDownloadError, "HF_TOKEN"),
  );
  assert(!`${Deno.inspect(error)}`.includes("hf_wrong"));
});

Deno.test("what a repository lacks, or has of another commit or hash, is said", async () => {
  type Kind = new (...parameters: never[]) => Error;
  const cases: [Partial<HubSettings>, string, Kind, string][] = [
    [
      { files: { "README.md": {} } },
      "hf:me/vgg",
      CheckpointFormatError,
      "none of model.safetensors",
    ],
    [{}, "hf:me/other", WeightsDownloadError, "no such repository or revision"],
    [{}, "hf:me/vgg@v2", WeightsDownloadError, "no such repository or revision"],
    [{ etag: "0".repeat(64) }, "hf:me/vgg", WeightsIntegrityError, "expected SHA-256 0000"],
    [{ commit: (file) => file }, "hf:me/vgg", WeightsDownloadError, "changed while it was read"],
    [
      { files: { "model.safetensors": SAFETENSORS, "config.json": new TextEncoder().encode("{") } },
      "hf:me/vgg",
      CheckpointFormatError,
      "config.json is not JSON",
    ],
  ];
  for (const [settings, name, kind, said] of cases) {
    const files = { "model.safetensors": SAFETENSORS, "config.json": CONFIG };
    await using hub = serveHub({ files, ...settings });
    await withVariables(
      { HF_ENDPOINT: hub.url },
      () => assertRejects(() => convert(name), kind, said),
    );
  }
  await assertRejects(() => convert("hf:me/vgg", { offline: true }), OfflineError);
});

/** Two files with half of the tensors each, and the index that says which has what. */
function inShards(file: Uint8Array<ArrayBuffer>): Files {
  const length = Number(new DataView(file.buffer).getBigUint64(0, true));
  const header: Record<string, { dtype: "F32"; shape: number[]; data_offsets: [number, number] }> =
    JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + length)));
  const { __metadata__: _, ...tensors } = header;
  const entries = Object.entries(tensors), half = entries.length >> 1;
  const weight_map: Record<string, string> = {}, files: Files = {};
  for (const [index, part] of [entries.slice(0, half), entries.slice(half)].entries()) {
    const name = `model-0000${index + 1}-of-00002.safetensors`;
    const bytes = part.map(([, { data_offsets: [begin, end] }]) =>
      file.subarray(8 + length + begin, 8 + length + end)
    );
    for (const [tensor] of part) weight_map[tensor] = name;
    const tensors = part.map(([name, { dtype, shape }]) => ({ name, dtype, shape }));
    files[name] = concat([encodeSafetensorsHeader(tensors, {}), ...bytes]);
  }
  return { ...files, "model.safetensors.index.json": { metadata: {}, weight_map } };
}

Deno.test("a repository's network may be in several files", async () => {
  await using hub = serveHub({ files: { ...inShards(SAFETENSORS), "config.json": CONFIG } });
  const { bytes } = await withVariables({ HF_ENDPOINT: hub.url }, () => convert("hf:me/vgg"));
  const { parameters, preprocessing } = await openModel(bytes);
  const { bytes: whole } = await convert(SAFETENSORS, { preprocessing });
  assertEquals(parameters, (await openModel(whole)).parameters);
});

Deno.test("an index of a repository leads to files beside it alone", async () => {
  for (const name of ["../../../other/vgg/resolve/main/x", "a/x", "..", "..\\x"]) {
    const index = { metadata: {}, weight_map: { "conv1_1.weight": name } };
    await using hub = serveHub({ files: { "model.safetensors.index.json": index } });
    await withVariables(
      { HF_ENDPOINT: hub.url },
      () => assertRejects(() => convert("hf:me/vgg"), CheckpointFormatError, "file"),
    );
    assertEquals(hub.seen.filter(({ path }) => !/\/resolve\/main\/[\w.]+$/.test(path)), []);
  }
});

Deno.test("names that are no repository's are refused, and paths are none", () => {
  assertEquals(asRepository("hf:timm/vgg16.tv_in1k"), {
    owner: "timm",
    name: "vgg16.tv_in1k",
    revision: "main",
  });
  assertEquals(asRepository("hf:a/b@refs/pr/1")?.revision, "refs/pr/1");
  assertEquals(asRepository("./hf:a/b"), undefined);
  for (const name of ["hf:", "hf:a", "hf:a/b/c", "hf:../b", "hf:a/..", "hf:a/b@", "hf:a/b@../c"]) {
    assertThrows(() => asRepository(name), TypeError, "Expected hf:OWNER/NAME");
  }
});

Deno.test("a host over plain http is refused, but on this machine", async () => {
  await withVariables(
    { HF_ENDPOINT: "http://mirror.example" },
    () => assertRejects(() => convert("hf:me/vgg"), RangeError, "https URL"),
  );
});

Deno.test("pullModel() puts a repository's model into the cache once, whole or not at all", async () => {
  const cacheDir = await Deno.makeTempDir({ prefix: "vgg16-test-" });
  try {
    const files: Files = { "model.safetensors": SAFETENSORS, "config.json": CONFIG };
    await using hub = serveHub({ files });
    const options = { cacheDir, baseUrl: hub.url };
    await assertRejects(
      () => pullModel("hf:me/vgg", { ...options, offline: true }),
      OfflineError,
    );
    const path = await pullModel("hf:me/vgg", options);
    const model = await openModel(path);
    assertEquals([model.id, model.labels[0]], ["vgg", "a"]);
    const count = hub.seen.length;
    assertEquals(await pullModel("hf:me/vgg", { ...options, offline: true }), path);
    assertEquals(await pullModel("hf:me/vgg", options), path);
    assertEquals(hub.seen.length, count);
    assert(await pullModel("hf:me/vgg@v1", options) !== path);

    const before = await Deno.readFile(path);
    files["model.safetensors"] = SAFETENSORS.slice(0, 1000);
    await assertRejects(
      () => pullModel("hf:me/vgg", { ...options, force: true }),
      CheckpointFormatError,
    );
    assertEquals(await Deno.readFile(path), before);
    const left = (await Array.fromAsync(Deno.readDir(cacheDir))).map(({ name }) => name);
    assertEquals(left.filter((name) => name.includes(".part")), []);
  } finally {
    await Deno.remove(cacheDir, { recursive: true });
  }
});

Deno.test("a pull of a repository that is broken off is taken up by the next one", async () => {
  const cacheDir = await Deno.makeTempDir({ prefix: "vgg16-test-" });
  try {
    await using hub = serveHub({ files: { "model.safetensors": SAFETENSORS } });
    const options = { cacheDir, baseUrl: hub.url };
    const broken = new AbortController();
    await assertRejects(
      () =>
        pullModel("hf:me/vgg", {
          ...options,
          signal: broken.signal,
          onProgress: () => broken.abort(),
        }),
      DOMException,
    );
    const path = await pullModel("hf:me/vgg", options);
    const asked = hub.seen.filter(({ host }) => host === "storage");
    assertEquals(asked[0]?.range, undefined);
    assertMatch(asked[1]?.range ?? "", /^bytes=[1-9]\d*-$/);
    assertEquals(asked.length, 2);
    assertEquals((await openModel(path)).provenance.sourceSha256, await sha256(SAFETENSORS));
    const left = (await Array.fromAsync(Deno.readDir(cacheDir))).map(({ name }) => name);
    assertEquals(left.filter((name) => name.includes(".part")), []);
  } finally {
    await Deno.remove(cacheDir, { recursive: true });
  }
});

Deno.test("a folder with a model's files is read as its repository is", async () => {
  const folder = await Deno.makeTempDir({ prefix: "vgg16-test-" });
  try {
    await Deno.writeFile(`${folder}/pytorch_model.bin`, PYTORCH);
    await Deno.writeTextFile(`${folder}/config.json`, JSON.stringify(CONFIG));
    for (const path of [folder, `${folder}/`, new URL(`file://${folder}/`)]) {
      const model = await openModel((await convert(path)).bytes);
      assertEquals([model.labels[4], model.architecture.input.height], ["e", 64]);
      assertEquals(model.id, folder.replace(/^.*\//, ""));
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("folders of models that are not read are named by what they are", async () => {
  for (
    const [file, text, said] of [
      ["Manifest.json", '{"itemInfoEntries": {}}', "a Core ML package"],
      ["_METADATA", '{"tree_metadata": {}}', "an Orbax checkpoint"],
      ["README.md", "# VGG", "it is a folder, and has none of model.safetensors"],
    ]
  ) {
    const folder = await Deno.makeTempDir({ prefix: "vgg16-test-" });
    try {
      await Deno.writeTextFile(`${folder}/${file}`, text!);
      await assertRejects(() => convert(folder), CheckpointFormatError, said);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  }
});

Deno.test("a repository is no model", async () => {
  await assertRejects(() => resolveModel("hf:me/vgg"), ModelNotFoundError, "pull or convert it");
});

Deno.test("each revision has a name of its own in the cache", () => {
  const names = ["hf:me/vgg", "hf:me/vgg@a/b", "hf:me/vgg@a--b", "hf:me/vgg@a-b", "hf:me/vgg@a.b"];
  const ids = names.map((name) => cachedIdOf(asRepository(name)!));
  assertEquals(new Set(ids).size, names.length);
  assertEquals(ids.filter(isRepositoryId), ids);
});
