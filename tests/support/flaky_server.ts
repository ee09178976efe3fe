/**
 * An HTTP server on loopback that misbehaves on purpose. It writes sockets itself, as a real server would
 * not send a wrong length or stop in the middle.
 *
 * @module
 */

/** One request, as the server saw it. */
export interface SeenRequest {
  readonly path: string;
  readonly headers: Headers;
  /** First byte of the range that was asked for; 0 without a range. */
  readonly begin: number;
}

/** What to send. */
export interface Reply {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: Uint8Array;
  /** Bytes of the body after which the connection is closed. */
  readonly cutAfter?: number;
  /** Whether nothing more is sent then, but the connection stays until the client goes. */
  readonly isHeld?: boolean;
}

/** A running server. */
export interface FlakyServer extends AsyncDisposable {
  readonly url: string;
  readonly requests: SeenRequest[];
}

/** Starts a server; `reply` gets each request and how many came before it. */
export function serveFlaky(reply: (request: SeenRequest, count: number) => Reply): FlakyServer {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const requests: SeenRequest[] = [];
  const connections = new Set<Promise<void>>();
  const accepting = (async () => {
    for await (const connection of listener) {
      const answered = answer(connection, requests, reply).finally(() =>
        connections.delete(answered)
      );
      connections.add(answered);
    }
  })();
  return {
    url: `http://127.0.0.1:${(listener.addr as Deno.NetAddr).port}`,
    requests,
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting;
      await Promise.all(connections);
    },
  };
}

/** An honest server's reply: the file or the range of it. */
export function honest(
  file: Uint8Array,
  { begin }: Pick<SeenRequest, "begin">,
  etag = '"v1"',
): Reply {
  const body = file.subarray(begin);
  const headers: Record<string, string> = { etag, "content-length": String(body.length) };
  if (begin === 0) return { status: 200, headers, body };
  headers["content-range"] = `bytes ${begin}-${file.length - 1}/${file.length}`;
  return { status: 206, headers, body };
}

async function answer(
  connection: Deno.Conn,
  requests: SeenRequest[],
  reply: (request: SeenRequest, count: number) => Reply,
): Promise<void> {
  try {
    const request = parse(await readHead(connection));
    requests.push(request);
    const answered = reply(request, requests.length - 1);
    const { status, headers, body, cutAfter = Infinity, isHeld } = answered;
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    const head = `HTTP/1.1 ${status} Status\r\nconnection: close\r\n${lines.join("")}\r\n`;
    await writeAll(connection, new TextEncoder().encode(head));
    await writeAll(connection, body.subarray(0, Math.min(body.length, cutAfter)));
    if (isHeld) { while (await connection.read(new Uint8Array(64)) !== null); }
  } catch {
    // The client went away, as some tests make it do.
  } finally {
    connection.close();
  }
}

async function readHead(connection: Deno.Conn): Promise<string> {
  let head = "";
  const buffer = new Uint8Array(4096);
  while (!head.includes("\r\n\r\n")) {
    const count = await connection.read(buffer);
    if (count === null) throw new Error("the client sent no request");
    head += new TextDecoder().decode(buffer.subarray(0, count));
  }
  return head;
}

function parse(head: string): SeenRequest {
  const [first, ...lines] = head.trim().split("\r\n");
  const headers = new Headers(
    lines.map((line): [string, string] => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon), line.slice(colon + 1).trim()];
    }),
  );
  const begin = Number(/^bytes=(\d+)-$/.exec(headers.get("range") ?? "")?.[1] ?? 0);
  return { path: first.split(" ")[1], headers, begin };
}

async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) done += await connection.write(bytes.subarray(done));
}
