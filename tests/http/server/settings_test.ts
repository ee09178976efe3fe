import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { SETTINGS_TABLE } from "../../../tools/settings_table.ts";
import { envName, flagName } from "../../../lib/options.ts";
import { createHandler, createService, type ServiceOptions } from "../../../lib/http/service.ts";
import { HttpService } from "../../../lib/http/server/http_service.ts";
import { SETTINGS } from "../../../lib/options/service.ts";
import { parseArguments } from "../../../lib/cli/arguments.ts";
import { completeSettings, settingsFromEnv } from "../../../lib/http/server/settings.ts";

Deno.test("settings have the same values from a program, the environment and flags", () => {
  const env = {
    VGG16_MAX_BODY_BYTES: "1000",
    VGG16_URL_INPUT: "true",
    VGG16_KEYS: "one, two",
    VGG16_THREADS: "2",
    VGG16_MODEL: "vgg16",
    VGG16_LOG_LEVEL: "warn",
    HOME: "/root",
  };
  const flags = [
    ...["--max-body-bytes", "1000", "--url-input", "--keys=one,two", "--threads=2"],
    ...["--model", "vgg16", "--log-level", "warn"],
  ];
  const expected = {
    maxBodyBytes: 1000,
    urlInput: true,
    keys: ["one", "two"],
    threads: 2,
    model: "vgg16",
    logLevel: "warn",
  };
  assertEquals(settingsFromEnv(env), expected as ReturnType<typeof settingsFromEnv>);
  const { options } = parseArguments(flags, SETTINGS);
  assertEquals(options, expected as ReturnType<typeof settingsFromEnv>);
  assertEquals(completeSettings(settingsFromEnv(env)).maxQueue, 64);
});

Deno.test("a typo in a name is an error that names the nearest", () => {
  assertThrows(
    () => settingsFromEnv({ VGG16_MAX_BODY_BYTE: "1" }),
    RangeError,
    "no environment variable VGG16_MAX_BODY_BYTE: did you mean VGG16_MAX_BODY_BYTES?",
  );
});

Deno.test("a wrong value is an error that says what was expected, and never shows a key", () => {
  const wrong: [Record<string, string>, string][] = [
    [{ VGG16_MAX_QUEUE: "many" }, "VGG16_MAX_QUEUE must be an integer from 1 to 65536"],
    [{ VGG16_MAX_QUEUE: "" }, "VGG16_MAX_QUEUE must be"],
    [{ VGG16_MAX_BATCH: "65" }, "from 1 to 64: found 65"],
    [{ VGG16_BACKEND: "cuda" }, 'one of "auto", "webgpu", "wasm"'],
    [{ VGG16_URL_INPUT: "yes" }, 'true or false: found "yes"'],
    [{ VGG16_THREADS: "100" }, 'must be an integer from 1 to 64, or "auto": found 100'],
  ];
  for (const [env, message] of wrong) {
    assertStringIncludes(assertThrows(() => settingsFromEnv(env), RangeError).message, message);
  }
  const error = assertThrows(
    () => completeSettings({ keys: "secret" as unknown as [] }),
    RangeError,
  );
  assertEquals(
    error.message,
    "keys must be a list of one or more keys of visible ASCII characters without commas: " +
      "found something else",
  );
  assertThrows(() => completeSettings({ maxImages: 65 }), RangeError, "never fits into maxQueue");
});

Deno.test("keys that are named and empty end the start, from everywhere, and are not shown", () => {
  const words =
    "must be a list of one or more keys of visible ASCII characters without commas: found";
  for (const text of ["", " ", "\t", ",", " , ", "a,", ",a", "a,,b", " a , , b "]) {
    assertThrows(
      () => settingsFromEnv({ VGG16_KEYS: text }),
      RangeError,
      `VGG16_KEYS ${words} an empty one`,
    );
  }
  for (const keys of [[""], [" "], ["\n"], ["key", ""], ["key", "\t "]]) {
    for (
      const start of [createHandler, completeSettings, (o: ServiceOptions) => new HttpService(o)]
    ) {
      assertThrows(() => start({ keys }), RangeError, `keys ${words} an empty one`);
    }
  }
  assertThrows(() => createHandler({ keys: [] }), RangeError, `keys ${words} none`);
  for (const key of ["two words", "key\n", " key", "ключ", "a,b", "\0"]) {
    const { message } = assertThrows(() => createHandler({ keys: [key] }), RangeError);
    assertEquals(message, `keys ${words} something else`);
  }
  assertEquals(settingsFromEnv({ VGG16_KEYS: " 007 , b=/+~ " }).keys, ["007", "b=/+~"]);
  assertEquals(completeSettings().keys, undefined);
});

Deno.test("hosts and origins that no request has end the start", () => {
  for (const host of ["", "https://app.example", "app.example/", "a b", "user@app.example", "*"]) {
    assertThrows(
      () => completeSettings({ hosts: [host] }),
      RangeError,
      "hosts must be a list of hosts",
    );
  }
  const origins = ["app.example", "https://app.example/", "https://App.example", "null", ""];
  for (
    const origin of [...origins, "https://app.example:443", "file://x", "https://user@a.example"]
  ) {
    assertThrows(
      () => completeSettings({ corsOrigins: [origin] }),
      RangeError,
      "corsOrigins must be a list of origins such as https://app.example",
    );
  }
  const hosts = ["app.example", "app.example:8443", "[::1]:80", "10.0.0.1"];
  const corsOrigins = [
    "*",
    "https://app.example:8443",
    "http://[::1]:8000",
    "chrome-extension://ab",
  ];
  completeSettings({ hosts, corsOrigins });
});

Deno.test("every setting has a variable, a flag and a row in the documentation", async () => {
  const readme = await Deno.readTextFile(new URL("../../../lib/http/README.md", import.meta.url));
  assertStringIncludes(readme, SETTINGS_TABLE);
  for (const name of Object.keys(SETTINGS)) {
    assertStringIncludes(SETTINGS_TABLE, `\`${envName(name)}\``);
    assertEquals(flagName(name).replace(/-(.)/g, (_, c) => c.toUpperCase()), name);
  }
});

const MODULE = new URL("../../../lib/http/server/settings.ts", import.meta.url).href;
const READ_SETTINGS = `const { canListVariables, readSettings } = await import("${MODULE}");
let found;
try { found = readSettings(); } catch (error) { found = error.message; }
console.log(JSON.stringify([canListVariables(), found]));`;

/** What a process with some permissions reads from an environment. */
async function readWith(permissions: string[], env: Record<string, string>): Promise<unknown> {
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  await Deno.writeTextFile(file, READ_SETTINGS);
  const config = new URL("../../../deno.json", import.meta.url).pathname;
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-prompt",
      "--no-check",
      "--config",
      config,
      "--allow-import",
      ...permissions,
      file,
    ],
    env,
  }).output();
  await Deno.remove(file);
  return JSON.parse(new TextDecoder().decode(stdout));
}

Deno.test("the environment is read as far as it may be, without asking", async () => {
  const env = { VGG16_MAX_QUEUE: "20", VGG16_MAX_QEUE: "21" };
  const typo = "There is no environment variable VGG16_MAX_QEUE: did you mean VGG16_MAX_QUEUE?";
  assertEquals(await readWith(["--allow-env"], env), [true, typo]);
  assertEquals(await readWith(["--allow-env=VGG16_*"], env), [false, { maxQueue: 20 }]);
  assertEquals(await readWith([], env), [false, {}]);
});

Deno.test("settings that go together with no others are refused when a service is made, not when it is asked", () => {
  const said = "maxImages is 9, which never fits into maxQueue, 8";
  assertThrows(() => createService({ maxImages: 9, maxQueue: 8 }), RangeError, said);
});
