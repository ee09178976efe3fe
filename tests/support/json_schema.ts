/**
 * Holds a value to a JSON Schema, as far as the API's description uses one. A word that is not known here is an error,
 * so that no part of a schema is passed over.
 *
 * @module
 */

/** A schema, or a part of one. */
export type Schema = Readonly<Record<string, unknown>>;

/** What says something for people alone. */
const FOR_PEOPLE = ["description", "default"];

const TYPES: Readonly<Record<string, (value: unknown) => boolean>> = {
  object: (value) => typeof value === "object" && value !== null && !Array.isArray(value),
  array: Array.isArray,
  string: (value) => typeof value === "string",
  number: (value) => typeof value === "number",
  integer: Number.isInteger,
  boolean: (value) => typeof value === "boolean",
};

/**
 * @param find Gives what a `$ref` names.
 * @returns What is wrong with the value, each with its place; nothing if it fits.
 */
export function faultsOf(
  value: unknown,
  schema: Schema,
  find: (ref: string) => Schema,
  place = "$",
): string[] {
  const inner = (value: unknown, schema: unknown, at: string): string[] =>
    faultsOf(value, schema as Schema, find, at);
  const words: Readonly<Record<string, (rule: unknown) => string[]>> = {
    $ref: (name) => inner(value, find(String(name)), place),
    type: (name) => TYPES[String(name)]!(value) ? [] : [`${place} is no ${name}: ${show(value)}`],
    const: (only) => value === only ? [] : [`${place} is not ${only}: ${show(value)}`],
    enum: (values) =>
      (values as unknown[]).includes(value)
        ? []
        : [`${place} is none of ${values}: ${show(value)}`],
    minimum: (min) => Number(value) >= Number(min) ? [] : [`${place} is below ${min}: ${value}`],
    maximum: (max) => Number(value) <= Number(max) ? [] : [`${place} is above ${max}: ${value}`],
    items: (items) =>
      Array.isArray(value) ? value.flatMap((item, i) => inner(item, items, `${place}[${i}]`)) : [],
    properties: (properties) =>
      Object.entries(properties as Schema).flatMap(([name, own]) =>
        Object.hasOwn(Object(value), name)
          ? inner((value as Schema)[name], own, `${place}.${name}`)
          : []
      ),
    required: (names) =>
      (names as string[]).filter((name) => !Object.hasOwn(Object(value), name)).map((name) =>
        `${place} has no ${name}`
      ),
    oneOf: (schemas) => {
      const found = (schemas as Schema[]).map((schema) => inner(value, schema, place));
      const fitting = found.filter((faults) => faults.length === 0).length;
      return fitting === 1 ? [] : [`${place} fits ${fitting} of ${found.length}: ${found.flat()}`];
    },
  };
  return Object.entries(schema).flatMap(([word, rule]) => {
    if (rule === undefined || FOR_PEOPLE.includes(word)) return [];
    const check = words[word];
    if (check === undefined) throw new Error(`${place}: a schema has the unknown word ${word}`);
    return check(rule);
  });
}

function show(value: unknown): string {
  return (JSON.stringify(value) ?? String(value)).slice(0, 60);
}
