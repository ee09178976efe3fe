/** Variables of the environment stand for options, in every command, as far as they may be read. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { COMMANDS } from "../../lib/cli/commands.ts";
import { VARIABLES } from "../../lib/cli/environment.ts";
import { envName } from "../../lib/options.ts";
import { SETTINGS } from "../../lib/options/service.ts";
import { runCli } from "../support/run_cli.ts";

const CAT = fromFileUrl(new URL("../data/photos/cat.png", import.meta.url));
const TINY = "vgg16-tiny-imagenet";

/** What `classify --json` says of the cat. */
async function classify(
  env: Record<string, string>,
  ...args: string[]
): Promise<{ backend: string; labels: string[] }> {
  const { code, stdout, stderr } = await runCli(["classify", "--json", ...args, CAT], { env });
  assertEquals(code, 0, stderr);
  const { backend, results: [{ predictions }] } = JSON.parse(stdout);
  return { backend, labels: predictions.map(({ label }: { label: string }) => label) };
}

Deno.test("a variable stands for an option, and the option wins", async () => {
  const given = { VGG16_MODEL: "vgg16-cifar10", VGG16_BACKEND: "wasm" };
  assertEquals((await classify(given)).labels[0], "cat");
  const tiny = await classify(given, "--model", TINY);
  assertMatch(tiny.labels[0]!, /cat$/);
  assert(tiny.labels[0] !== "cat");
  assertEquals(tiny.backend, "wasm");
  // As if it were not set.
  assertEquals((await classify({ VGG16_MODEL: "", VGG16_THREADS: "" })).labels.length, 5);
});

Deno.test("a wrong variable is a wrong command line, and is named", async () => {
  const wrong: Record<string, [value: string, message: string]> = {
    VGG16_BACKEND: ["cuda", 'VGG16_BACKEND must be one of "auto", "webgpu", "wasm": found "cuda"'],
    VGG16_THREADS: [
      "many",
      'VGG16_THREADS must be an integer from 1 to 64, or "auto": found "many"',
    ],
    VGG16_PRECISION: ["int4", 'VGG16_PRECISION must be one of "int8", "float": found "int4"'],
    VGG16_OFFLINE: ["yes", 'VGG16_OFFLINE must be true or false: found "yes"'],
  };
  for (const [name, [value, message]] of Object.entries(wrong)) {
    const { code, stdout, stderr } = await runCli(["classify", CAT], { env: { [name]: value } });
    assertEquals([code, stdout], [2, ""], name);
    assertStringIncludes(stderr, `error: ${message}\n`);
  }
  const env = { VGG16_BASE_URL: "ftp://user:secret@host/" };
  const { code, stderr } = await runCli(["pull", "vgg16-imagenet"], { env });
  assertEquals(code, 2);
  assertStringIncludes(stderr, "VGG16_BASE_URL must be an http or https URL");
  assert(!stderr.includes("secret"), stderr);
});

Deno.test("a variable does not get in the way of what takes no such option", async () => {
  const env = { VGG16_MODEL: TINY, VGG16_OFFLINE: "1", VGG16_THREADS: "many" };
  assertEquals((await runCli(["models"], { env })).code, 0);
  const { stderr } = await runCli([
    "fit",
    "--scratch",
    "A",
    "--out",
    "/none/m.safetensors",
    "/none",
  ], {
    env: { VGG16_MODEL: TINY, VGG16_OFFLINE: "true" },
  });
  // It fails for want of pictures, not for these.
  assert(!/--(model|offline)/.test(stderr), stderr);
});

Deno.test("an offline environment touches no network", async () => {
  const { code, stderr } = await runCli(["pull", "vgg16-imagenet", "--cache-dir", "/none"], {
    env: { VGG16_OFFLINE: "1" },
  });
  assertEquals(code, 1);
  assertStringIncludes(stderr, "offline mode does not touch");
});

Deno.test("what is not permitted is not read, nor asked for", async () => {
  const env = { VGG16_BACKEND: "cuda", VGG16_MODLE: "x" };
  const permissions = ["--allow-read"];
  const { code, stderr } = await runCli(["classify", CAT], { env, permissions });
  assertEquals([code, stderr], [0, ""]);
  // Of single variables no typo can be found.
  const one = await runCli(["classify", CAT], {
    env,
    permissions: ["--allow-read", "--allow-env=VGG16_BACKEND"],
  });
  assertEquals(one.code, 2);
  assert(!one.stderr.includes("MODLE"));
});

Deno.test("names with a typo, and old ones, are told on standard error", async () => {
  const env = {
    ...{ VGG16_MODLE: "x", VGG16_SOMETHING: "y", VGG_CACHE_DIR: "z" },
    // The service's.
    VGG16_KEYS: "secret",
  };
  const { code, stdout, stderr } = await runCli(["models"], { env });
  assertEquals(code, 0);
  assert(!stdout.includes("VGG16_MODLE"));
  assertStringIncludes(stderr, "VGG16_MODLE has no effect: did you mean VGG16_MODEL?\n");
  assertMatch(stderr, /VGG16_SOMETHING has no effect: .* help lists some\n/);
  assertStringIncludes(stderr, "VGG_CACHE_DIR has no effect: it is called VGG16_CACHE_DIR now\n");
  assert(!/VGG16_KEYS|secret/.test(stderr), stderr);
  assertEquals((await runCli(["models", "--quiet"], { env: { VGG16_MODLE: "x" } })).stderr, "");
});

Deno.test("all that has a variable is an option of a command, and of the service", async () => {
  const commands = await Promise.all(Object.values(COMMANDS).map(({ load }) => load()));
  const names = new Set(commands.flatMap(({ options }) => Object.keys(options)).map(envName));
  const settings = Object.keys(SETTINGS).map(envName);
  for (const name of VARIABLES) assert(names.has(name) && settings.includes(name), name);
});
