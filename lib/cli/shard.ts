/** Bulk work in parts: which of N machines does which images. */

import { type Table, text } from "../options.ts";
import { readPermitted } from "../environment.ts";
import { UsageError } from "./usage_error.ts";

/** Part `index` of `count`, 1 … count. */
export interface Shard {
  readonly index: number;
  readonly count: number;
}

/** Which part is asked for, as {@linkcode parseShard} reads it. */
export const SHARD_OPTION = {
  shard: text(
    { placeholder: "I/N" },
    "Only part I of N: every N-th image, from the I-th on. auto/N takes I, and auto also N, " +
      "from a Kubernetes Indexed Job, a Slurm array or GNU parallel",
  ),
} satisfies Table;

type Env = (name: string) => string | undefined;

/** Where a scheduler says which part this is. Numbers count from `first`. */
interface Scheduler {
  readonly name: string;
  readonly index: string;
  readonly first: (env: Env) => number;
  /** The variable with the number of parts. */
  readonly count: string;
  /** The variable with the distance from one number to the next, if that need not be 1. */
  readonly step?: string;
}

const SCHEDULERS: readonly Scheduler[] = [
  {
    name: "Kubernetes Indexed Job",
    index: "JOB_COMPLETION_INDEX",
    first: () => 0,
    // Kubernetes does not give it: the manifest sets it.
    count: "JOB_COMPLETIONS",
  },
  {
    name: "Slurm array",
    index: "SLURM_ARRAY_TASK_ID",
    first: (env) => Number(env("SLURM_ARRAY_TASK_MIN") ?? 0),
    count: "SLURM_ARRAY_TASK_COUNT",
    step: "SLURM_ARRAY_TASK_STEP",
  },
  { name: "GNU parallel", index: "PARALLEL_SEQ", first: () => 1, count: "PARALLEL_TOTAL" },
];

/**
 * The part that `--shard` asks for, or all.
 *
 * @throws {UsageError} If `--shard` is not I/N with I from 1 to N, or nothing gives what `auto`
 * stands for.
 */
export function parseShard(text: string | undefined, env: Env = readPermitted): Shard {
  if (text === undefined) return { index: 1, count: 1 };
  const [first, second] = text.split("/");
  const shard = first === "auto"
    ? autoShard(second, env)
    : { index: Number(first), count: Number(second) };
  const { index, count } = shard;
  const isWhole = Number.isInteger(index) && Number.isInteger(count);
  if (isWhole && index >= 1 && index <= count && text.split("/").length <= 2) return shard;
  throw new UsageError(
    `Option --shard needs I/N with I from 1 to N, auto/N or auto: found "${text}"` +
      (first === "auto" ? `, which is ${index}/${count}` : ""),
  );
}

function autoShard(count: string | undefined, env: Env): Shard {
  const scheduler = SCHEDULERS.find(({ index }) => env(index) !== undefined);
  if (scheduler === undefined) {
    const names = SCHEDULERS.map(({ name, index }) => `${index} (${name})`);
    throw new UsageError(
      `--shard auto needs one of the variables ${names.join(", ")}, and --allow-env for it`,
    );
  }
  const total = count ?? env(scheduler.count);
  if (total === undefined) {
    throw new UsageError(
      `--shard auto needs the number of parts: set ${scheduler.count}, or say auto/N`,
    );
  }
  const step = Number(scheduler.step && env(scheduler.step) || 1);
  const index = (Number(env(scheduler.index)) - scheduler.first(env)) / step + 1;
  return { index, count: Number(total) };
}

/** The items of a part: every `count`-th, so that neighbors, which cost alike, are spread. */
export function takeShard<Item>(items: readonly Item[], { index, count }: Shard): Item[] {
  return items.filter((_, i) => i % count === index - 1);
}
