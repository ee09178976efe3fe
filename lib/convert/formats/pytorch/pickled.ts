/** What is left of Python's values when a pickle is read: data, and names of what is not known. */

/** A byte string, or a text too long to be a name, left where it is: it can be half a gigabyte. */
export class PickledBytes {
  /**
   * @param offset In the file.
   * @param isText Whether the bytes are UTF-8.
   */
  constructor(readonly offset: number, readonly length: number, readonly isText: boolean = false) {}
}

/** A function or class that a pickle refers to, by its full name. It is a name, nothing more. */
export class PickledGlobal {
  constructor(readonly name: string) {}
}

/** What a class or a function that is not known would have made: nobody calls it. */
export class PickledObject {
  /** What it would have been given afterwards: attributes, mostly. */
  state: PickledValue = null;
  /** Of a class that is a list or a set. */
  readonly items: PickledValue[] = [];
  /** Of a class that is a dictionary. */
  readonly entries = new Map<PickledValue, PickledValue>();

  constructor(readonly name: string, readonly args: readonly PickledValue[]) {}

  /** An attribute, if its state is a dictionary. */
  attribute(name: string): PickledValue | undefined {
    return this.attributes?.get(name);
  }

  /** Its state, if that is a dictionary; a module of `torch.fx` is made of one. */
  get attributes(): Map<PickledValue, PickledValue> | undefined {
    const [first] = this.args;
    if (this.state instanceof Map) return this.state;
    return first instanceof Map && first.has("_modules") ? first : undefined;
  }
}

/** Python's values in JavaScript's types; tuples, lists and sets are arrays. */
export type PickledValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | PickledBytes
  | PickledGlobal
  | PickledObject
  | PickledValue[]
  | Map<PickledValue, PickledValue>
  | object;

/** A key or a name as text. What is neither has none: it may be nested without end. */
export function pickledText(value: PickledValue | undefined): string {
  if (value instanceof ShortBytes) return value.text;
  return typeof value === "object" && value !== null ? "(no text)" : String(value);
}

/** A byte string that may be a name: Python 2 has no other texts, and some programs write such keys. */
export class ShortBytes extends PickledBytes {
  /** @param text Its bytes, a character each. */
  constructor(offset: number, readonly text: string) {
    super(offset, text.length);
  }
}
