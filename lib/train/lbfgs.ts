/**
 * L-BFGS (Nocedal and Wright, "Numerical Optimization", 2006, algorithms 7.4 and 7.5), in float64.
 */

import { takeTurn } from "../threads/turn.ts";

/** What is minimized. */
export interface Objective {
  /** Its value and its gradient. */
  at(values: Float64Array): Point;
  /** The inner product of two changes of the variables, of values or of gradients. */
  dot(a: Float64Array, b: Float64Array): number;
}

/** A place on the way. */
export interface Point {
  readonly values: Float64Array;
  readonly loss: number;
  readonly gradient: Float64Array;
}

/** How far one goes. */
export interface DescentOptions {
  /** The gradient's length at which it ends. */
  readonly limit: number;
  /** At most this many changes of the variables. */
  readonly maxUpdates: number;
  /** Changes that the curvature is told from. Default: 10. */
  readonly remembered?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Where a way down ended. */
export interface Descent {
  readonly at: Point;
  /** How often the variables were changed. */
  readonly updates: number;
  /** Whether the gradient is as short as was asked for. */
  readonly converged: boolean;
}

/** Goes down from a point. */
export async function descend(
  objective: Objective,
  at: Point,
  { limit, maxUpdates, remembered = REMEMBERED, signal }: DescentOptions,
): Promise<Descent> {
  const memory = new Memory(objective, remembered);
  let updates = 0;
  while (length(objective, at.gradient) > limit && updates < maxUpdates) {
    await takeTurn(signal);
    const next = search(objective, at, memory.direction(at.gradient));
    if (next === undefined) break; // As exact as float64 is.
    memory.add(at, next);
    at = next;
    updates++;
  }
  return { at, updates, converged: length(objective, at.gradient) <= limit };
}

/** The length of a gradient. */
export function length({ dot }: Objective, gradient: Float64Array): number {
  return Math.sqrt(dot(gradient, gradient));
}

/** Changes that the curvature is told from. */
const REMEMBERED = 10;

/** What the last changes say about the curvature. */
class Memory {
  readonly #dot: Objective["dot"];
  readonly #most: number;
  readonly #changes: { values: Float64Array; gradient: Float64Array; product: number }[] = [];

  constructor({ dot }: Objective, most: number) {
    this.#dot = dot;
    this.#most = most;
  }

  add(from: Point, to: Point): void {
    const values = difference(to.values, from.values);
    const gradient = difference(to.gradient, from.gradient);
    this.#changes.push({ values, gradient, product: this.#dot(values, gradient) });
    if (this.#changes.length > this.#most) this.#changes.shift();
  }

  /** Where to go down from a point (algorithm 7.4, the two loops). */
  direction(gradient: Float64Array): Float64Array {
    const direction = gradient.map((value) => -value), factors: number[] = [];
    for (const { values, gradient, product } of this.#changes.toReversed()) {
      const factor = this.#dot(values, direction) / product;
      addTimes(direction, -factor, gradient);
      factors.push(factor);
    }
    const last = this.#changes.at(-1);
    const scale = last === undefined
      ? 1 / Math.sqrt(this.#dot(gradient, gradient))
      : last.product / this.#dot(last.gradient, last.gradient);
    for (let i = 0; i < direction.length; i++) direction[i]! *= scale;
    for (const { values, gradient, product } of this.#changes) {
      addTimes(direction, factors.pop()! - this.#dot(gradient, direction) / product, values);
    }
    return direction;
  }
}

/** How much of the slope a step has to go down, and how much of it may be left (Wolfe's conditions). */
const DESCENT = 1e-4, CURVATURE = 0.9;
const MAX_TRIES = 40;
/** Part of a loss by which rounding may change it. */
const ROUNDING = 1e-14;

/**
 * A point along a direction that meets Wolfe's conditions, by bisection (Lewis and Overton, 2013, "Nonsmooth
 * optimization via quasi-Newton methods", algorithm 4.6); undefined if rounding leaves none.
 */
function search(
  objective: Objective,
  from: Point,
  direction: Float64Array,
): Point | undefined {
  const slope = objective.dot(from.gradient, direction);
  let low = 0, high = Infinity, step = 1;
  for (let n = 0; n < MAX_TRIES; n++) {
    const values = from.values.slice();
    addTimes(values, step, direction);
    const to = objective.at(values);
    const most = from.loss * (1 + ROUNDING) + DESCENT * step * slope;
    if (!(to.loss <= most)) high = step;
    else if (objective.dot(to.gradient, direction) < CURVATURE * slope) low = step;
    else return to;
    step = high < Infinity ? (low + high) / 2 : 2 * step;
  }
  return undefined;
}

/** The inner product of two arrays. */
export function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

function addTimes(a: Float64Array, factor: number, b: Float64Array): void {
  for (let i = 0; i < a.length; i++) a[i]! += factor * b[i]!;
}

function difference(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((value, i) => value - b[i]!);
}
