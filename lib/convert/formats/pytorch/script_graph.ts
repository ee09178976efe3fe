/** The graph of a TorchScript module: its code is followed with a tensor that nobody computes. */

import type { Budget } from "../budget.ts";
import type { CheckpointTensor } from "../checkpoint.ts";
import type { Graph, GraphNode } from "../graph.ts";
import { type Argument, AtenTranslator, layoutOfImages, parametersOf } from "./aten.ts";
import { PickledObject, type PickledValue } from "./pickled.ts";
import type { Expression, Method, ScriptClass, Statement } from "./script_code.ts";

/** A module with the name that its tensors' names begin with. */
class Module {
  constructor(readonly object: PickledObject, readonly path: string) {}
}

/** A tensor: a parameter, or one that is computed. */
class Tensor {
  constructor(readonly name: string) {}
}

/** A number of which the code says no more than that it is computed, such as that of the images. */
class Computed {}

class FunctionName {
  constructor(readonly name: string) {}
}

type Value =
  | Module
  | Tensor
  | Computed
  | FunctionName
  | number
  | string
  | boolean
  | null
  | Value[];

/** Says what the code does that cannot be followed. */
export class UnknownCode extends Error {}

/** Parameters of `torch.nn.functional`'s, which are in another order than the operator's. */
const BATCH_NORM = [
  ...["input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps"],
];

const MAX_DEPTH = 64;

/**
 * Follows the `forward` of a module.
 *
 * @param tensors What its parameters and buffers are, by their names, and the constants `CONSTANTS.c0`, ….
 * @param classes The classes of the code by their full names.
 * @throws {UnknownCode} If it does what is not understood.
 */
export function scriptGraph(
  root: PickledObject,
  tensors: ReadonlyMap<string, CheckpointTensor>,
  classes: ReadonlyMap<string, ScriptClass>,
  budget: Budget,
): Graph {
  const follower = new Follower(tensors, classes, budget);
  const result = follower.callMethod(new Module(root, ""), "forward", [new Tensor("input")], 0);
  const outputs = Array.isArray(result) ? result : [result];
  const input: GraphNode = {
    name: "input",
    inputs: [],
    output: "input",
    operator: {
      kind: "input",
      layout: layoutOfImages("input", follower.translator.nodes),
      ...{ height: undefined, width: undefined, channels: undefined },
    },
  };
  return {
    nodes: [input, ...follower.translator.nodes],
    outputs: outputs.map((output) =>
      output instanceof Tensor
        ? follower.translator.latest(output.name)
        : fail("it gives something that is no tensor")
    ),
  };
}

function fail(message: string): never {
  throw new UnknownCode(message);
}

class Follower {
  readonly translator: AtenTranslator;
  /** How often each name was wanted. */
  readonly #names = new Map<string, number>();

  constructor(
    readonly tensors: ReadonlyMap<string, CheckpointTensor>,
    readonly classes: ReadonlyMap<string, ScriptClass>,
    readonly budget: Budget,
  ) {
    this.translator = new AtenTranslator(tensors);
  }

  callMethod(module: Module, name: string, args: readonly Value[], depth: number): Value {
    const { object: { name: type }, path } = module;
    // It checks the number of axes.
    if (name === "_check_input_dim") return null;
    const method = this.classes.get(type)?.get(name);
    if (method === undefined || depth > MAX_DEPTH) {
      fail(`${type} has no ${name} that can be followed`);
    }
    if (name.startsWith("forward") && args.length !== method.parameters.length - 1) {
      fail(`${path || type} takes ${method.parameters.length - 1} values`);
    }
    return new Frame(this, module, method, args, depth).run();
  }

  /** Adds a call of an operator of which the values are known. */
  callOperator(
    name: string,
    order: readonly string[],
    args: readonly Value[],
    named: ReadonlyMap<string, Value>,
    { path }: Module,
  ): Value {
    this.budget.visit();
    const output = this.#nameFor(path || name);
    const positional = args.map((
      value,
      index,
    ): [string, Value] => [order[index] ?? `${index}`, value]);
    const given = [...positional, ...named].map(([key, value]): [string, Argument] => [
      key,
      argumentOf(value),
    ]);
    this.translator.add({ operator: name, given: new Map(given), outputs: [output] });
    return new Tensor(output);
  }

  #nameFor(wanted: string): string {
    const count = (this.#names.get(wanted) ?? 0) + 1;
    this.#names.set(wanted, count);
    return count === 1 && !this.tensors.has(wanted) ? wanted : `${wanted} (${count})`;
  }
}

/** One call of a method. */
class Frame {
  readonly #values: Map<string, Value>;

  constructor(
    readonly follower: Follower,
    readonly module: Module,
    readonly method: Method,
    args: readonly Value[],
    readonly depth: number,
  ) {
    const all = [module, ...args];
    this.#values = new Map(
      method.parameters.map((name, index) => [name, all[index] ?? null]),
    );
  }

  run(): Value {
    const result = this.#runAll(this.method.body);
    return result === undefined ? null : result;
  }

  #runAll(statements: readonly Statement[]): Value | undefined {
    for (const statement of statements) {
      this.follower.budget.visit();
      if (statement.kind === "return") return this.#evaluate(statement.value);
      if (statement.kind === "if") {
        const condition = this.#evaluate(statement.condition);
        if (typeof condition !== "boolean") fail("what it does depends on what it computes");
        const result = this.#runAll(condition ? statement.then : statement.otherwise);
        if (result !== undefined) return result;
      } else if (statement.kind === "assign") {
        this.#assign(statement.names, this.#evaluate(statement.value));
      } else if (statement.text !== "pass") fail(`it has "${statement.text.slice(0, 60)}"`);
    }
    return undefined;
  }

  #assign(names: readonly string[], value: Value): void {
    if (names.length === 1) {
      this.#values.set(names[0]!, value);
      return;
    }
    if (!Array.isArray(value)) fail("it takes apart what is no list");
    names.forEach((name, index) => this.#values.set(name, value[index] ?? null));
  }

  #evaluate(expression: Expression): Value {
    switch (expression.kind) {
      case "literal":
        return expression.value;
      case "list":
        return expression.items.map((item) => this.#evaluate(item));
      case "name":
        return this.#lookUp(expression.name);
      case "attribute":
        return attributeOf(this.#evaluate(expression.of), expression.name);
      case "call":
        return this.#call(expression);
      case "other":
        return new Computed();
    }
  }

  #lookUp(name: string): Value {
    const [first, ...more] = name.split(".");
    const value = this.#values.get(first!);
    if (value !== undefined) return more.reduce(attributeOf, value);
    if (first === "CONSTANTS") return new Tensor(name);
    return new FunctionName(name);
  }

  #call({ callee, args, named }: Expression & { kind: "call" }): Value {
    if (callee.kind === "attribute") {
      const of = this.#evaluate(callee.of);
      if (!(of instanceof Module)) fail(`it calls ${callee.name} of a value`);
      return this.follower.callMethod(of, callee.name, this.#all(args), this.depth + 1);
    }
    const called = this.#evaluate(callee);
    if (!(called instanceof FunctionName)) fail("it calls what is no function");
    const { name } = called;
    if (name === "annotate" || name === "unchecked_cast") return this.#evaluate(args[1]!);
    const values = this.#all(args);
    if (name === "getattr") return attributeOf(values[0]!, String(values[1]));
    if (name === "torch.__is__" || name === "torch.__isnot__") {
      const isNull = values[0] === null;
      return name === "torch.__is__" ? isNull : !isNull;
    }
    if (/^(torch\.(size|dim|len|numel)|int|float|ops\.prim\.NumToTensor)$/.test(name)) {
      return new Computed();
    }
    const functional = /^__torch__\.torch\.nn\.functional\.(\w+)$/.exec(name)?.[1];
    const operator = functional?.replace(/^_(?=max_pool2d)/, "") ??
      /^torch\.(\w+)$/.exec(name)?.[1];
    if (operator === undefined) fail(`it calls ${name}`);
    const order = functional === "batch_norm" ? BATCH_NORM : parametersOf(operator);
    const more = [...named].map(([key, value]): [string, Value] => [key, this.#evaluate(value)]);
    return this.follower.callOperator(operator, order, values, new Map(more), this.module);
  }

  #all(expressions: readonly Expression[]): Value[] {
    return expressions.map((expression) => this.#evaluate(expression));
  }
}

function attributeOf(of: Value, name: string): Value {
  if (!(of instanceof Module)) return fail(`it takes ${name} of a value`);
  // The archive may be of a module that is still trained: it is run as one that is not.
  if (name === "training") return false;
  const path = of.path === "" ? name : `${of.path}.${name}`;
  const value = of.object.attribute(name);
  if (value instanceof PickledObject && value.attributes !== undefined) {
    return new Module(value, path);
  }
  return valueOf(value, path);
}

function valueOf(value: PickledValue | undefined, path: string): Value {
  if (value === undefined || value === null) return null;
  if (Array.isArray(value)) return value.map((item) => valueOf(item, path));
  return typeof value === "object" || typeof value === "bigint" ? new Tensor(path) : value;
}

function argumentOf(value: Value): Argument {
  if (value instanceof Tensor) return { value: value.name };
  if (Array.isArray(value)) {
    const numbers = value.map((item) =>
      typeof item === "number" ? item : item instanceof Computed ? -1 : NaN
    );
    return numbers.length > 0 && !numbers.some(Number.isNaN) ? numbers : null;
  }
  return typeof value === "object" ? null : value;
}
