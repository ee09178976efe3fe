import { assertEquals } from "@std/assert";
import { mayHaveGpu } from "../../../lib/engine/webgpu/device/adapter.ts";

Deno.test("a machine whose /dev holds no GPU is not asked for one", () => {
  const isKnown = Deno.build.os === "linux";
  const names = isKnown ? [...Deno.readDirSync("/dev")].map(({ name }) => name) : [];
  const has = names.some((name) => /^(dri|nvidia(0|ctl)|kfd|dxg|nvmap|mali0|kgsl-3d0)$/.test(name));
  assertEquals(mayHaveGpu(), !isKnown || has);
});

Deno.test("where /dev may not be read there may be a GPU", async () => {
  const module = new URL("../../../lib/engine/webgpu/device/adapter.ts", import.meta.url).href;
  const code = `import { mayHaveGpu } from ${JSON.stringify(module)}; console.log(mayHaveGpu());`;
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-prompt",
      "--no-lock",
      "--ext=ts",
      `data:text/typescript,${encodeURIComponent(code)}`,
    ],
  }).output();
  assertEquals(new TextDecoder().decode(stdout).trim(), "true");
});
