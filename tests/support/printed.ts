/** What commands write, of which a test runs in its own process. */

/** Both streams of a process. */
export interface Printed {
  readonly out: string;
  readonly err: string;
}

/** Runs work, and collects what it writes; `isTerminal` says what it takes the streams for. */
export async function printedBy(
  work: () => unknown,
  { isTerminal = false }: { readonly isTerminal?: boolean } = {},
): Promise<Printed & { readonly both: string }> {
  const streams = { out: Deno.stdout, err: Deno.stderr };
  const texts = { out: "", err: "", both: "" };
  const restore = Object.entries(streams).map(([name, stream]) => {
    const own = { isTerminal: stream.isTerminal, writeSync: stream.writeSync };
    const decoder = new TextDecoder();
    Object.assign(stream, {
      isTerminal: () => isTerminal,
      writeSync(bytes: Uint8Array): number {
        const text = decoder.decode(bytes, { stream: true });
        texts[name as keyof typeof streams] += text;
        texts.both += text;
        return bytes.length;
      },
    });
    return () => void Object.assign(stream, own);
  });
  try {
    await work();
    // What is printed last is written after what waits already.
    await Promise.resolve();
    return texts;
  } finally {
    restore.forEach((back) => back());
  }
}
