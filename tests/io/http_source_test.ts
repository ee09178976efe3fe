/** Connections that say nothing. */

import { assertEquals, assertRejects } from "@std/assert";
import { HttpSource } from "../../lib/io/http_source.ts";

/** Lets timers of half a minute or more, as long as a stall is, fire at once. */
function withoutStalls(): Disposable {
  const { setTimeout } = globalThis;
  globalThis.setTimeout =
    ((run: () => void, ms = 0) => setTimeout(run, ms >= 30_000 ? 200 : ms)) as typeof setTimeout;
  return { [Symbol.dispose]: () => void (globalThis.setTimeout = setTimeout) };
}

Deno.test("a connection on which no byte comes is ended, and another is tried", async () => {
  using _shorter = withoutStalls();
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const opening = HttpSource.open(new URL(`http://127.0.0.1:${listener.addr.port}/`));
  const request = new Uint8Array(4096);
  using silent = await listener.accept();
  await silent.read(request);
  using answering = await listener.accept();
  await answering.read(request);
  const answer = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: close\r\n\r\nabc";
  await answering.write(new TextEncoder().encode(answer));
  const source = await opening;
  const into = new Uint8Array(3);
  await source.read(0, into);
  assertEquals(new TextDecoder().decode(into), "abc");
  let isOpen = true;
  const timer = setTimeout(() => silent.close(), 2000);
  await silent.read(request).then((count) => isOpen = count !== null, () => {});
  clearTimeout(timer);
  assertEquals(isOpen, false);
  source.close();
});

Deno.test("closing a source ends the read under way, and it does not connect again", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const opening = HttpSource.open(new URL(`http://127.0.0.1:${listener.addr.port}/`));
  using connection = await listener.accept();
  const request = new Uint8Array(4096);
  await connection.read(request);
  const answer = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc";
  await connection.write(new TextEncoder().encode(answer));
  const source = await opening;
  const reading = source.read(0, new Uint8Array(10));
  const refused = assertRejects(async () => await reading, DOMException, "aborted");
  source.close();
  await refused;
  assertEquals(await connection.read(request).catch(() => null), null);
});
