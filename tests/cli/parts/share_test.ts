import { assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "../../../lib/cli/usage_error.ts";
import { parseShare, SCHEDULER_NAMES } from "../../../lib/cli/parts/share.ts";

const shareOf = (text: string, env: Record<string, string> = {}, known?: number) =>
  parseShare(text, "--part", known, (name) => env[name]);

Deno.test("a share is named by hand, or is the task's own number of a total that is given", () => {
  assertEquals(shareOf("2/3"), { index: 2, count: 3 });
  // Those that count from 0.
  for (
    const name of ["JOB_COMPLETION_INDEX", "AWS_BATCH_JOB_ARRAY_INDEX", "CLOUD_RUN_TASK_INDEX"]
  ) {
    assertEquals(shareOf("auto/4", { [name]: "0" }), { index: 1, count: 4 });
    assertEquals(shareOf("auto/4", { [name]: "3" }), { index: 4, count: 4 });
    assertThrows(() => shareOf("auto/4", { [name]: "4" }), UsageError, "which is 5/4");
  }
  // And from 1.
  for (const name of ["SLURM_ARRAY_TASK_ID", "PARALLEL_SEQ"]) {
    assertEquals(shareOf("auto/4", { [name]: "1" }), { index: 1, count: 4 });
    assertEquals(shareOf("auto/4", { [name]: "4" }), { index: 4, count: 4 });
    assertThrows(() => shareOf("auto/4", { [name]: "0" }), UsageError, `${name} is 0`);
  }
});

Deno.test("a task that Slurm repeats does its own part again, whichever run beside it", () => {
  for (const [array, ids] of [["3,4", ["3", "4"]], ["3", ["3"]]] as const) {
    const shares = ids.map((id) => ({
      SLURM_ARRAY_TASK_ID: id,
      SLURM_ARRAY_TASK_MIN: "3",
      SLURM_ARRAY_TASK_COUNT: String(ids.length),
    }));
    assertEquals(shares.map((env) => shareOf("auto/8", env).index), ids.map(Number), array);
    // Of 8 or of 2: nothing tells.
    for (const env of shares) {
      assertThrows(
        () => shareOf("auto", env),
        UsageError,
        "which Slurm array does not tell, whichever tasks run",
      );
    }
  }
});

Deno.test("the total is known, or a scheduler tells it", () => {
  assertEquals(shareOf("auto", { SLURM_ARRAY_TASK_ID: "5" }, 64), { index: 5, count: 64 });
  assertEquals(shareOf("auto/8", { SLURM_ARRAY_TASK_ID: "5" }, 64), { index: 5, count: 8 });
  const environments: Record<string, string>[] = [
    { JOB_COMPLETION_INDEX: "3", JOB_COMPLETIONS: "4" },
    { AWS_BATCH_JOB_ARRAY_INDEX: "3", AWS_BATCH_JOB_ARRAY_SIZE: "4" },
    { CLOUD_RUN_TASK_INDEX: "3", CLOUD_RUN_TASK_COUNT: "4" },
  ];
  for (const env of environments) assertEquals(shareOf("auto", env), { index: 4, count: 4 });
  const unset = () => shareOf("auto", { JOB_COMPLETION_INDEX: "0" });
  assertThrows(unset, UsageError, "set JOB_COMPLETIONS, or say auto/N");
});

Deno.test("a share that does not exist is an error", () => {
  for (
    const text of ["0/3", "4/3", "1.5/3", "x", "3", "1/", "1/2/3", "/3", "-1/3", "auto/0", "auto/x"]
  ) {
    const env = { JOB_COMPLETION_INDEX: "0" };
    assertThrows(
      () => shareOf(text, env),
      UsageError,
      "Option --part needs I/N with I from 1 to N",
    );
  }
  assertThrows(() => shareOf("auto"), UsageError, "JOB_COMPLETION_INDEX (Kubernetes Indexed Job)");
  // What a manifest sets to nothing is no number.
  const empty = () => shareOf("auto/4", { JOB_COMPLETION_INDEX: "" });
  assertThrows(empty, UsageError, "JOB_COMPLETION_INDEX (Kubernetes Indexed Job)");
});

Deno.test("the schedulers are called by their names", () => {
  assertEquals(SCHEDULER_NAMES, [
    "Kubernetes Indexed Job",
    "Slurm array",
    "AWS Batch array",
    "Cloud Run job",
    "GNU parallel",
  ]);
});
