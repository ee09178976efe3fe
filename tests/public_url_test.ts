import { assert, assertEquals, assertFalse } from "@std/assert";
import { fetchFailure, publicText, publicUrl } from "../lib/public_url.ts";

const SECRETS = /robot|hunter2|PRESIGNED/;

Deno.test("publicUrl() keeps what names the file, and nothing else", () => {
  for (
    const [url, expected] of [
      ["https://host.example/models/vgg16.pth", "https://host.example/models/vgg16.pth"],
      ["http://robot:hunter2@host.example:8080/a/b.pth", "http://host.example:8080/a/b.pth"],
      ["https://robot@host.example/b.pth", "https://host.example/b.pth"],
      ["https://host.example/b.pth?sig=PRESIGNED&x=1#hunter2", "https://host.example/b.pth"],
      ["https://host.example/b.pth?PRESIGNED", "https://host.example/b.pth"],
      ["https://robot:hun@ter2@host.example/@b.pth", "https://host.example/@b.pth"],
      ["file:///models/a%20b.pth", "file:///models/a%20b.pth"],
      ["data:image/png;base64,PRESIGNED", "data:image/png,…"],
    ] as const
  ) {
    assertEquals(publicUrl(url), expected);
    assertEquals(publicUrl(new URL(url)), expected);
  }
});

Deno.test("publicUrl() leaves an URL object as it is", () => {
  const url = new URL("https://robot:hunter2@host.example/b.pth?sig=PRESIGNED");
  publicUrl(url);
  assertEquals(url.href, "https://robot:hunter2@host.example/b.pth?sig=PRESIGNED");
});

Deno.test("publicUrl() shows no secret of what is no valid URL", () => {
  for (
    const url of [
      "http://robot:hunter2@:bad/a.pth?sig=PRESIGNED",
      "http://robot:hunter2?x@host.example:99999999/a.pth",
      "http://robot:hunter2/x@ho st/a.pth#PRESIGNED",
      "//robot:hunter2@host.example/a.pth",
    ]
  ) {
    assertEquals(URL.parse(url), null);
    assertFalse(SECRETS.test(publicUrl(url)), publicUrl(url));
  }
});

Deno.test("publicText() finds every URL in a text", () => {
  const url = "http://robot:hun'ter2)(@h/a.pth?sig=PRE'SIGNED)";
  assertEquals(publicText(`one (${url}): two`), "one (http://h/a.pth two");
  assertEquals(publicText(`<${url}> "${url}"`), '<http://h/a.pth> "http://h/a.pth"');
  assertEquals(publicText("no URL: 12:30, a/b?c, c:\\x"), "no URL: 12:30, a/b?c, c:\\x");
});

Deno.test("a long text is gone through once", () => {
  // Patterns that begin anew at each place would take days.
  const slashes = "/".repeat(20e6), words = "a.".repeat(10e6);
  assertEquals(publicUrl(slashes), slashes);
  assertEquals(publicText(slashes), slashes);
  assertEquals(publicText(words), words);
  assertEquals(publicText(`${words}=1http://robot:hunter2@h/a.pth?x`), `${words}=1http://h/a.pth`);
});

Deno.test("fetchFailure() says why, and neither the URL nor that of a redirect", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const closed = listener.addr.port;
  listener.close();
  const secrets = `http://robot:hunter2@127.0.0.1:${closed}/a.pth?sig=PRESIGNED`;
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response(null, { status: 302, headers: { location: secrets } }),
  );
  for (const url of [secrets, `http://127.0.0.1:${server.addr.port}/`]) {
    const error = await fetch(url).catch((error) => error);
    assert(/PRESIGNED/.test(Deno.inspect(error)), "the runtime tells it");
    const text = fetchFailure(error);
    assertFalse(SECRETS.test(text), text);
    assert(/refused/i.test(text), text);
  }
});
