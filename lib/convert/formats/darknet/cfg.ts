/**
 * Parses Darknet's `.cfg` files: sections of keys and values.
 *
 * @see {@link https://github.com/pjreddie/darknet/blob/master/src/parser.c}
 */

import { CheckpointFormatError } from "../../../errors.ts";
import type { ByteSource } from "../../../io/byte_source.ts";

/** One layer, or the network itself, which is the first section. */
export interface CfgSection {
  /** `convolutional`, as in `[convolutional]`. */
  readonly type: string;
  /** For messages: its type, and which section of the file it is. */
  readonly name: string;
  readonly values: ReadonlyMap<string, string>;
}

/** Real ones have a few KiB. */
const MAX_BYTES = 1 << 20;

/** Reads the sections of a file. */
export async function readCfg(source: ByteSource): Promise<CfgSection[]> {
  const { name: file, size } = source;
  if (size! > MAX_BYTES) {
    throw new CheckpointFormatError(`${file} has ${size} bytes: too many for Darknet's .cfg`, {
      file,
    });
  }
  const bytes = new Uint8Array(size!);
  await source.read(0, bytes);
  const sections: (CfgSection & { readonly values: Map<string, string> })[] = [];
  for (const line of new TextDecoder().decode(bytes).split("\n")) {
    // As Darknet does: a comment is a line of its own, and spaces mean nothing.
    const text = line.replace(/\s/g, "");
    if (text === "" || text.startsWith("#") || text.startsWith(";")) continue;
    const type = /^\[(.+)\]$/.exec(text)?.[1];
    if (type !== undefined) {
      sections.push({ type, name: `${type}_${sections.length}`, values: new Map() });
      continue;
    }
    const [, key, value] = /^([^=]+)=(.*)$/.exec(text) ?? [];
    if (key === undefined || sections.length === 0) {
      throw new CheckpointFormatError(`${file} must have keys and values: found "${text}"`, {
        file,
      });
    }
    sections.at(-1)!.values.set(key, value!);
  }
  const first = sections[0]?.type;
  if (first === "net" || first === "network") return sections;
  throw new CheckpointFormatError(
    `Expected the section [net] first in ${file}: found ${first ? `[${first}]` : "none"}`,
    { file },
  );
}

/** An integer of a section. */
export function integerOf({ values }: CfgSection, key: string, otherwise: number): number {
  // As C's atoi: what does not begin as a number is 0.
  return values.has(key) ? Number.parseInt(values.get(key)!) || 0 : otherwise;
}
