/**
 * From nothing to a label in a process of its own, which prints what each part took as JSON: imports
 * an entry of the package, loads a model, classifies a photo. Or imports TensorFlow.js, and nothing more.
 * `cold_subject.ts MODEL THREADS [ENTRY [PHOTO]]`, `cold_subject.ts tfjs`
 *
 * @module
 */

const [what, threads, entry = "../mod.ts", picture = "tests/data/photos/cat.png"] = Deno.args;
const parts: Record<string, number> = {};
const time = async <T>(part: string, work: () => Promise<T>): Promise<T> => {
  const start = performance.now();
  const result = await work();
  parts[part] = performance.now() - start;
  return result;
};

if (what === "tfjs") {
  await time("import", async () => {
    await import("@tensorflow/tfjs-core");
    await import("@tensorflow/tfjs-backend-cpu");
  });
} else {
  const { loadClassifier } = await time(
    "import",
    () => import(entry) as Promise<typeof import("../mod.ts")>,
  );
  const options = { backend: "wasm", threads: Number(threads), model: what } as const;
  const classifier = await time("load", () => loadClassifier(options));
  const photo = await Deno.readFile(picture);
  await time("first image", () => classifier.classify(photo));
}
// What the process has used so far; nothing of what follows is in it.
const [, peak] = /VmHWM:\s*(\d+) kB/.exec(Deno.readTextFileSync("/proc/self/status"))!;
const { user, system } = (await import("node:process")).cpuUsage();
console.log(JSON.stringify({ ...parts, cpu: (user + system) / 1000, peakMb: Number(peak) / 1024 }));
Deno.exit(0);
