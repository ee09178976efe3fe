/**
 * Measures subjects, each a process of its own, in turns: what disturbs the machine disturbs all.
 *
 * A subject (`peers/subject.mjs`) loads, says so in a line, and answers each line `N` with the
 * milliseconds of N runs.
 *
 * @module
 */

import { isThere } from "../lib/platform.ts";

/** An engine on some work, as a command that starts a subject. */
export interface Subject {
  readonly engine: string;
  readonly backend: "wasm" | "webgpu" | "native";
  readonly precision: "int8" | "float";
  readonly threads: number;
  readonly command: readonly string[];
  /** Images of a run, 1 if not said: its time is divided by them. */
  readonly images?: number;
  readonly env?: Readonly<Record<string, string>>;
}

/** Our engine and its peer on the same work. */
export interface Comparison {
  readonly name: string;
  readonly work: string;
  /** Ours first. */
  readonly subjects: readonly Subject[];
  /** How many times faster than the last subject ours has to be. */
  readonly floor?: number;
  /** How often each subject runs, where a run takes minutes. */
  readonly turns?: Turns;
  /** A run is a whole process, from its start to its end, that prints its parts as JSON. */
  readonly fresh?: boolean;
}

/** Runs before the first round, rounds, and runs of a subject in each. */
export interface Turns {
  readonly warmUp: number;
  readonly rounds: number;
  readonly runs: number;
}

/** One subject's times. */
export interface Measurement {
  readonly subject: Subject;
  readonly medianMs: number;
  readonly minMs: number;
  readonly runs: number;
  readonly loadMs: number;
  /** The most memory that the process ever had, in MB. */
  readonly peakMb: number;
  readonly device: string;
  /** Median milliseconds of the parts of a run, and the least. */
  readonly parts?: Readonly<Record<string, number>>;
  readonly leastParts?: Readonly<Record<string, number>>;
}

const TURNS: Turns = { warmUp: 3, rounds: 9, runs: 2 };
/** A comparison with the usual turns ends after this time, with the rounds that it has. */
const BUDGET_MS = 40_000;

/** The middle one, the lower of two. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[(values.length - 1) >> 1];
}

/** Where peers are, and what they come by. */
const PEERS = new URL("peers/", import.meta.url), INSTALLED = new URL("node_modules/", PEERS);

/** Why a subject has ended before its time. */
function endOf({ engine, command }: Subject): string {
  const isPeer = command.some((word) => word.startsWith(PEERS.pathname));
  if (isPeer && !isThere(INSTALLED.pathname)) {
    return `${engine} is not installed: bench/peers/setup.sh installs the peers (540 MB) and makes their models (1 GB)`;
  }
  return `${engine} ended: ${command.join(" ")}; BENCH_DEBUG=1 shows what it said`;
}

/** A running subject. */
class Process {
  readonly subject: Subject;
  readonly times: number[] = [];
  ready: { loadMs: number; device: string } = { loadMs: 0, device: "" };
  #child: Deno.ChildProcess;
  #lines: ReadableStreamDefaultReader<string>;
  #rest = "";
  #input: WritableStreamDefaultWriter<Uint8Array>;

  constructor(subject: Subject) {
    this.subject = subject;
    const [command, ...args] = subject.command;
    this.#child = new Deno.Command(command, {
      args,
      env: subject.env,
      stdin: "piped",
      stdout: "piped",
      stderr: Deno.env.has("BENCH_DEBUG") ? "inherit" : "null",
    }).spawn();
    this.#lines = this.#child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    this.#input = this.#child.stdin.getWriter();
  }

  /** The next line that is JSON; runtimes and engines print others. */
  async answer<T>(): Promise<T> {
    for (;;) {
      const end = this.#rest.indexOf("\n");
      if (end < 0) {
        const { value, done } = await this.#lines.read();
        if (done) {
          throw new Error(endOf(this.subject));
        }
        this.#rest += value;
        continue;
      }
      const line = this.#rest.slice(0, end);
      this.#rest = this.#rest.slice(end + 1);
      if (/^[[{]/.test(line)) return JSON.parse(line);
    }
  }

  async run(times: number): Promise<number[]> {
    await this.#input.write(new TextEncoder().encode(`${times}\n`));
    const images = this.subject.images ?? 1;
    return (await this.answer<number[]>()).map((ms) => ms / images);
  }

  peakMb(): number {
    try {
      const status = Deno.readTextFileSync(`/proc/${this.#child.pid}/status`);
      return Number(/VmHWM:\s*(\d+) kB/.exec(status)?.[1] ?? NaN) / 1024;
    } catch {
      return NaN;
    }
  }

  async end(): Promise<void> {
    try {
      this.#child.kill();
    } catch {
      // It has ended by itself.
    }
    await this.#child.status;
    await this.#lines.cancel();
    await this.#input.close().catch(() => {});
  }
}

/** Runs a comparison. */
export function measure(comparison: Comparison): Promise<Measurement[]> {
  return comparison.fresh ? measureFresh(comparison) : measureInTurns(comparison);
}

async function measureFresh({ subjects, turns = TURNS }: Comparison): Promise<Measurement[]> {
  const runs = subjects.map((): { ms: number; parts: Record<string, number> }[] => []);
  for (let round = 0; round <= turns.rounds; round++) {
    for (const [i, { command: [command, ...args], env }] of subjects.entries()) {
      const start = performance.now();
      const { stdout, success } = await new Deno.Command(command, { args, env, stderr: "inherit" })
        .output();
      const ms = performance.now() - start;
      if (!success) throw new Error(`${command} ${args.join(" ")} failed`);
      const parts = JSON.parse(new TextDecoder().decode(stdout).trim().split("\n").at(-1)!);
      if (round > 0) runs[i].push({ ms, parts }); // the first one fills the caches
    }
  }
  return subjects.map((subject, i) => {
    const times = runs[i].map(({ ms }) => ms);
    const names = Object.keys(runs[i][0].parts).filter((name) => name !== "peakMb");
    const all = (name: string): number[] => runs[i].map(({ parts }) => parts[name]);
    return {
      subject,
      medianMs: median(times),
      minMs: Math.min(...times),
      runs: times.length,
      loadMs: 0,
      peakMb: median(all("peakMb")),
      device: "whole process",
      parts: Object.fromEntries(names.map((name) => [name, median(all(name))])),
      leastParts: Object.fromEntries(names.map((name) => [name, Math.min(...all(name))])),
    };
  });
}

async function measureInTurns(comparison: Comparison): Promise<Measurement[]> {
  const turns = comparison.turns ?? TURNS;
  const processes: Process[] = [];
  try {
    for (const subject of comparison.subjects) {
      const process = new Process(subject);
      processes.push(process);
      process.ready = await process.answer();
      await process.run(turns.warmUp);
    }
    const start = performance.now();
    for (let round = 0; round < turns.rounds; round++) {
      for (const process of processes) process.times.push(...await process.run(turns.runs));
      if (turns === TURNS && performance.now() - start > BUDGET_MS) break;
    }
    return processes.map((process) => ({
      subject: process.subject,
      medianMs: median(process.times),
      minMs: Math.min(...process.times),
      runs: process.times.length,
      peakMb: process.peakMb(),
      ...process.ready,
    }));
  } finally {
    for (const process of processes) await process.end();
  }
}
