import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { dirname, fromFileUrl, join } from "@std/path";
import { parse } from "@std/yaml";
import { ROUTES } from "../../lib/http/server/routes.ts";
import { completeSettings, settingsFromEnv } from "../../lib/http/server/settings.ts";

const ROOT = fromFileUrl(new URL("../../", import.meta.url));
const DEPLOY = new URL("../../deploy/", import.meta.url);
const read = (name: string) => Deno.readTextFile(new URL(name, DEPLOY));

// deno-lint-ignore no-explicit-any -- documents of Kubernetes, of which a few fields are looked at
async function manifest(name: string): Promise<any> {
  return parse(await read(name));
}

const variables = (env: { name: string; value: string }[]) =>
  Object.fromEntries(env.map(({ name, value }) => [name, value]));

Deno.test("every variable in the deployment material is a setting with a good value", async () => {
  const files = [
    "Containerfile",
    "vgg16.service",
    "nginx.conf",
    "kserve.yaml",
    "kubernetes_job.yaml",
    "cloud_run_job.yaml",
    "aws_batch.json",
    "slurm.sh",
  ];
  for (const name of files) {
    const text = await read(name);
    for (const [variable] of text.matchAll(/VGG16_[A-Z_]+/g)) {
      // A wrong name throws before the value is looked at.
      const error = (() => {
        try {
          settingsFromEnv({ [variable]: "" });
        } catch (error) {
          return String(error);
        }
      })();
      assert(!error?.includes("There is no"), `${name}: ${error}`);
    }
  }
  const [container] = (await manifest("kserve.yaml")).spec.predictor.containers;
  completeSettings(settingsFromEnv(variables(container.env)));
});

Deno.test("KServe probes what the service answers, on the container's port", async () => {
  const { predictor } = (await manifest("kserve.yaml")).spec;
  const [{ ports, readinessProbe, livenessProbe }] = predictor.containers;
  const containerfile = await read("Containerfile");
  for (const { httpGet } of [readinessProbe, livenessProbe]) {
    assertEquals(httpGet.port, ports[0].containerPort);
    assert(["/v2/health/ready", "/v2/health/live"].includes(httpGet.path));
  }
  assertStringIncludes(containerfile, `"--port", "${ports[0].containerPort}"`);
  assertEquals(predictor.scaleTarget * 2, completeSettings().maxQueue);
  assert(ROUTES.some(({ path }) => path === "/v2/models/:model/infer"));
});

Deno.test("the image's user is a number, without which runAsNonRoot refuses it", async () => {
  const [, user] = /^USER (\S+)$/m.exec(await read("Containerfile"))!;
  assertStringIncludes(await read("Containerfile"), `--uid ${user} `);
  assert(Number(user) > 0);
});

Deno.test("everything starts the server with the same permissions", async () => {
  const wanted = ["--allow-env", "--allow-read=lib", "--no-prompt", "--cached-only"];
  for (const name of ["Containerfile", "vgg16.service"]) {
    const text = await read(name);
    for (const flag of wanted) assertStringIncludes(text, flag, name);
    assert(!/--allow-all|"-A"| -A /.test(text), name);
  }
});

Deno.test("nginx limits what the service limits", async () => {
  const text = await read("nginx.conf");
  const { maxBodyBytes, bodyTimeoutMs, timeoutMs } = completeSettings();
  assertStringIncludes(text, `client_max_body_size ${maxBodyBytes / 2 ** 20}m;`);
  assertStringIncludes(text, `client_body_timeout ${bodyTimeoutMs / 1000}s;`);
  assert(Number(/proxy_read_timeout (\d+)s/.exec(text)![1]) * 1000 > timeoutMs);
});

Deno.test("the container's health check tells a live service from others, with its few permissions", async () => {
  const [, command] = /^HEALTHCHECK[^]*?CMD (\[[^]*?\])$/m.exec(await read("Containerfile"))!;
  let status = 200;
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    ({ url }) => new Response(null, { status: url.endsWith("/livez") ? status : 404 }),
  );
  const local = command.replaceAll("8000", `${server.addr.port}`).replaceAll(/\\\n/g, "");
  const [, ...args]: string[] = JSON.parse(local);
  const check = async () => (await new Deno.Command(Deno.execPath(), { args }).output()).code;
  assertEquals(await check(), 0);
  status = 503;
  assertEquals(await check(), 1);
});

Deno.test("pin.sh writes the digest of each image, again what it is then, and without one nothing", async () => {
  const folder = await Deno.makeTempDir();
  try {
    for (const name of ["deploy/Containerfile", ".github/workflows/ci.yml", "deploy/pin.sh"]) {
      await Deno.mkdir(join(folder, dirname(name)), { recursive: true });
      await Deno.copyFile(join(ROOT, name), join(folder, name));
    }
    const texts = (): string[] =>
      ["deploy/Containerfile", ".github/workflows/ci.yml"].map((name) =>
        Deno.readTextFileSync(join(folder, name))
      );
    /** Runs it where the registry answers so. */
    const pin = async (answer: string): Promise<boolean> => {
      await Deno.writeTextFile(join(folder, "skopeo"), `#!/bin/sh\n${answer}\n`, { mode: 0o755 });
      const { success } = await new Deno.Command(join(folder, "deploy/pin.sh"), {
        env: { PATH: `${folder}:${Deno.env.get("PATH")}` },
        stderr: "null",
      }).output();
      return success;
    };
    const before = texts();
    for (const answer of ["exit 1", "echo latest", "echo"]) {
      assertEquals(await pin(answer), false, answer);
      assertEquals(texts(), before);
    }
    for (const digit of ["1", "2"]) {
      const digest = `sha256:${digit.repeat(64)}`;
      assert(await pin(`[ "$1" = inspect ] && echo ${digest}`));
      const images = texts().join("\n").match(/^(FROM|\s*container:) .*$/gm)!;
      assertEquals(images.length, 3);
      for (const image of images) assert(image.includes(`@${digest}`), image);
      assertEquals(texts().map((text) => text.replaceAll(`@${digest}`, "")), before);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
