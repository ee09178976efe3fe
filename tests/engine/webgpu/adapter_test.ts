import { assertEquals } from "@std/assert";
import { driverOf, mayHaveGpu } from "../../../lib/engine/webgpu/device/adapter.ts";

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

Deno.test("one GPU by Vulkan, OpenGL or Metal has drivers of different names", () => {
  const info = {
    ...{ vendor: "65541", architecture: "", device: "0", description: "llvmpipe" },
    ...{ subgroupMinSize: 8, subgroupMaxSize: 8, isFallbackAdapter: true },
  } as GPUAdapterInfo;
  const dawn = { ...info, backend: "vulkan", driver: "Mesa 22.3.6" };
  assertEquals(
    [
      driverOf(info, undefined),
      driverOf({ ...info, subgroupMinSize: 4, subgroupMaxSize: 128 }, undefined),
      driverOf(info, "gl"),
      driverOf(info, "vulkan"),
      driverOf(dawn, undefined),
      driverOf({ ...dawn, backend: "opengles" } as GPUAdapterInfo, undefined),
      driverOf({ ...dawn, driver: "Mesa 25.0.1" } as GPUAdapterInfo, undefined),
    ],
    [
      "65541 0 subgroups 8-8",
      "65541 0 subgroups 4-128",
      "65541 0 gl subgroups 8-8",
      "65541 0 vulkan subgroups 8-8",
      "65541 0 Mesa 22.3.6 vulkan subgroups 8-8",
      "65541 0 Mesa 22.3.6 opengles subgroups 8-8",
      "65541 0 Mesa 25.0.1 vulkan subgroups 8-8",
    ],
  );
});
