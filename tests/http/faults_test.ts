/**
 * Clients that leave, stall or send nonsense, beside others whose requests are all answered: `bench/http/faults.ts` in
 * short, through a socket.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { CAT, testService } from "../support/http_service.ts";

const HEAD = `POST /classify HTTP/1.1\r\nhost: x\r\ncontent-length: ${CAT.length}\r\n\r\n`;
/** Faulty clients of each kind. */
const FAULTY = 20;

async function write(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}

/** What one faulty client does on a connection of its own. */
const FAULTS: Readonly<Record<string, (port: number) => Promise<void>>> = {
  "disconnect when they have sent all": async (port) => {
    using connection = await Deno.connect({ hostname: "127.0.0.1", port });
    await write(connection, new TextEncoder().encode(HEAD));
    await write(connection, CAT);
  },
  "leave in the middle of a body": async (port) => {
    using connection = await Deno.connect({ hostname: "127.0.0.1", port });
    await write(connection, new TextEncoder().encode(HEAD));
    await write(connection, CAT.subarray(0, 1000));
  },
  "connect and say nothing": async (port) => {
    using _connection = await Deno.connect({ hostname: "127.0.0.1", port });
  },
  "send what is no picture": async (port) => {
    const body = "no picture", headers = { "content-type": "image/png" };
    const url = `http://127.0.0.1:${port}/classify`;
    const response = await fetch(url, { method: "POST", body, headers });
    assert(response.status >= 400 && response.status < 500, `${response.status}`);
    await response.body?.cancel();
  },
};

for (const [what, fault] of Object.entries(FAULTS)) {
  Deno.test(`no good request is lost while others ${what}`, async () => {
    const service = testService({ maxQueue: 512 });
    await using server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      service.fetch,
    );
    const { port } = server.addr;
    let isOver = false;
    const good = Array.from({ length: 3 }, async () => {
      let answered = 0;
      do {
        const url = `http://127.0.0.1:${port}/classify`;
        const response = await fetch(url, { method: "POST", body: CAT });
        assertEquals((await response.json())[0].label, "cat");
        answered++;
      } while (!isOver);
      return answered;
    });
    await Promise.all(Array.from({ length: FAULTY }, () => fault(port)));
    isOver = true;
    for (const answered of await Promise.all(good)) assert(answered > 0);
  });
}
