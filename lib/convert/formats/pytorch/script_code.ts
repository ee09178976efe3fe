/**
 * Parses the code of a TorchScript archive: a small subset of Python, one value a statement.
 *
 * @see {@link https://github.com/pytorch/pytorch/blob/main/torch/csrc/jit/serialization/python_print.cpp}
 */

/** What a statement computes. */
export type Expression =
  | { readonly kind: "literal"; readonly value: number | string | boolean | null }
  /** With dots: `torch.relu`, `self.weight`, `x`. */
  | { readonly kind: "name"; readonly name: string }
  | { readonly kind: "list"; readonly items: readonly Expression[] }
  | { readonly kind: "attribute"; readonly of: Expression; readonly name: string }
  | {
    readonly kind: "call";
    readonly callee: Expression;
    readonly args: readonly Expression[];
    readonly named: ReadonlyMap<string, Expression>;
  }
  /** Anything else that is well-formed, such as a subscript. */
  | { readonly kind: "other" };

/** A step of a function. */
export type Statement =
  | { readonly kind: "assign"; readonly names: readonly string[]; readonly value: Expression }
  | { readonly kind: "return"; readonly value: Expression }
  | {
    readonly kind: "if";
    readonly condition: Expression;
    readonly then: readonly Statement[];
    readonly otherwise: readonly Statement[];
  }
  | { readonly kind: "other"; readonly text: string };

/** A method of a class. */
export interface Method {
  /** `self` first. */
  readonly parameters: readonly string[];
  readonly body: readonly Statement[];
}

/** The methods of a class, by their names. */
export type ScriptClass = ReadonlyMap<string, Method>;

interface Line {
  readonly indent: number;
  readonly text: string;
}

/** Finds the classes of a file, by their names. */
export function parseClasses(code: string): Map<string, ScriptClass> {
  const lines = logicalLines(code);
  const classes = new Map<string, Map<string, Method>>();
  let methods = new Map<string, Method>();
  for (let at = 0; at < lines.length;) {
    const { indent, text } = lines[at++]!;
    const [, name] = /^class (\w+)\(/.exec(text) ?? [];
    if (indent === 0 && name !== undefined) classes.set(name, methods = new Map());
    const [, method, parameters] = /^def (\w+)\((.*)\)( ->.*)?:$/.exec(text) ?? [];
    if (method === undefined) continue;
    const end = blockEnd(lines, at, indent);
    if (indent > 0) {
      methods.set(method, {
        parameters: splitTop(parameters!).map((part) => /^\w*/.exec(part)![0]),
        body: parseBlock(lines.slice(at, end)),
      });
    }
    at = end;
  }
  return classes;
}

/** Lines with those that go on in the next ones because of an open parenthesis. */
function logicalLines(code: string): Line[] {
  const lines: Line[] = [];
  let text = "", indent = 0, depth = 0;
  for (const line of code.split("\n")) {
    if (text === "") indent = /^ */.exec(line)![0].length;
    text += (text === "" ? "" : " ") + line.trim();
    const bare = line.replace(/"(?:[^"\\]|\\.)*"/g, "");
    depth += bare.replace(/[^([{]/g, "").length - bare.replace(/[^)\]}]/g, "").length;
    if (depth > 0) continue;
    if (text !== "") lines.push({ indent, text });
    [text, depth] = ["", 0];
  }
  return lines;
}

function blockEnd(lines: readonly Line[], begin: number, indent: number): number {
  let end = begin;
  while (end < lines.length && lines[end]!.indent > indent) end++;
  return end;
}

/** Blocks in blocks; there are few in what a network's modules do. */
const MAX_DEPTH = 50;

function parseBlock(lines: readonly Line[], depth = 0): Statement[] {
  const statements: Statement[] = [];
  for (let at = 0; at < lines.length;) {
    const { indent, text } = lines[at++]!;
    const end = blockEnd(lines, at, indent);
    const [, condition] = /^if (.*):$/.exec(text) ?? [];
    if (condition !== undefined && depth < MAX_DEPTH) {
      const then = parseBlock(lines.slice(at, end), depth + 1);
      const hasElse = lines[end]?.text === "else:" && lines[end]!.indent === indent;
      const last = hasElse ? blockEnd(lines, end + 1, indent) : end;
      const otherwise = hasElse ? parseBlock(lines.slice(end + 1, last), depth + 1) : [];
      statements.push({ kind: "if", condition: parseExpression(condition), then, otherwise });
      at = last;
    } else {
      statements.push(end > at ? { kind: "other", text } : parseStatement(text));
      at = end;
    }
  }
  return statements;
}

function parseStatement(text: string): Statement {
  const [, result] = /^return\b(.*)$/.exec(text) ?? [];
  if (result !== undefined) return { kind: "return", value: parseExpression(result) };
  const [, names, value] = /^([\w, ]+?),? = (.*)$/.exec(text) ?? [];
  if (names !== undefined) {
    return { kind: "assign", names: names.split(/, */), value: parseExpression(value!) };
  }
  return { kind: "other", text };
}

function splitTop(text: string): string[] {
  const parts: string[] = [];
  let depth = 0, begin = 0;
  for (let at = 0; at <= text.length; at++) {
    const character = text[at] ?? ",";
    if ("([{".includes(character)) depth++;
    if (")]}".includes(character)) depth--;
    if (character !== "," || depth > 0) continue;
    const part = text.slice(begin, at).trim();
    if (part !== "") parts.push(part);
    begin = at + 1;
  }
  return parts;
}

const TOKEN =
  /\s*([A-Za-z_][\w.]*|-?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|"(?:[^"\\]|\\.)*"|[()[\],.=]|\S)/y;

/** Parses an expression; what is none is `other`. */
export function parseExpression(text: string): Expression {
  const tokens: string[] = [];
  TOKEN.lastIndex = 0;
  for (let match = TOKEN.exec(text); match !== null; match = TOKEN.exec(text)) {
    tokens.push(match[1]!);
  }
  let at = 0;

  const items = (close: string, depth: number): [Expression[], Map<string, Expression>] => {
    const list: Expression[] = [], named = new Map<string, Expression>();
    while (at < tokens.length && tokens[at] !== close) {
      const [name, sign] = [tokens[at]!, tokens[at + 1]];
      if (sign === "=" && /^\w+$/.test(name)) {
        at += 2;
        named.set(name, expression(depth));
      } else {
        list.push(expression(depth));
      }
      if (tokens[at] === ",") at++;
      else if (tokens[at] !== close) return [[...list, OTHER], named];
    }
    at++;
    return [list, named];
  };

  const expression = (depth: number): Expression => {
    const token = tokens[at++];
    let value: Expression = OTHER;
    if (token === undefined || depth > MAX_DEPTH) return OTHER;
    if (token === "(" || token === "[") {
      const [list] = items(token === "(" ? ")" : "]", depth + 1);
      value = token === "(" && list.length === 1 ? list[0]! : { kind: "list", items: list };
    } else if (token === "None") value = { kind: "literal", value: null };
    else if (token === "True" || token === "False") {
      value = { kind: "literal", value: token === "True" };
    } else if (/^[A-Za-z_]/.test(token)) value = { kind: "name", name: token };
    else if (token.startsWith('"')) value = { kind: "literal", value: token.slice(1, -1) };
    else if (/\d/.test(token)) value = { kind: "literal", value: Number(token) };
    for (let length = 0; length < MAX_DEPTH; length++) {
      if (tokens[at] === "(") {
        at++;
        const [args, named] = items(")", depth + 1);
        value = { kind: "call", callee: value, args, named };
      } else if (tokens[at] === "[") {
        at++;
        items("]", depth + 1);
        value = OTHER;
      } else if (tokens[at] === "." && /^\w/.test(tokens[at + 1] ?? "")) {
        value = { kind: "attribute", of: value, name: tokens[at + 1]! };
        at += 2;
      } else return value;
    }
    return OTHER;
  };
  const parsed = expression(0);
  return at < tokens.length ? OTHER : parsed;
}

const OTHER: Expression = { kind: "other" };
