/**
 * Refuses every request and does nothing else: `refuse.ts PORT`.
 *
 * @module
 */

const headers = { "content-type": "application/problem+json", "retry-after": "1" };
const refuse = (): Response => new Response('{"status":429}', { status: 429, headers });

Deno.serve({ port: Number(Deno.args[0]), hostname: "127.0.0.1", onListen() {} }, refuse);
