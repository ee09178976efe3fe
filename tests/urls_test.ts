import { assertEquals, assertThrows } from "@std/assert";
import { asPath, asUrl, isWebUrl } from "../lib/urls.ts";

Deno.test("only what begins as a whole URL is one", () => {
  for (
    const url of [
      ...["http://a.example/x.png", "HTTPS://a.example", "file:///tmp/x.png", "hTTp://a/?b#c"],
      ...["data:,x", "data:image/png;base64,AAAA", "DATA:text/plain,http:"],
    ]
  ) {
    assertEquals(asUrl(url)?.href, new URL(url).href);
    assertEquals(asUrl(asPath(url)), undefined, "a file may be called so");
  }
  for (
    const path of [
      ...["http:", "http:/a/b.png", "https:x.png", "httpx://a", "./http://a/b.png", "file:/x"],
      ...["file:x.png", "c:\\x.png", "C:/x.png", "data:", "data:/x.png", "data:x.png", "-"],
      ...["--x", "", "blob:null/1", "ftp://a/x.png", "javascript:1", " http://a", "model.onnx"],
    ]
  ) {
    assertEquals(asUrl(path), undefined, path);
    assertEquals(asPath(path), path);
  }
});

Deno.test("what is on the network is told by http and https", () => {
  assertEquals(
    ["http://a", "HTTPS://a", "file:///a", "data:,a", "http:/a", "a"].map(isWebUrl),
    [true, true, false, false, false, false],
  );
});

Deno.test("what begins as a URL and is none is an error without secrets", () => {
  assertThrows(() => asUrl("http://user:hunter2@[x/?sig=1"), TypeError, "begins as a URL");
  assertThrows(() => asUrl("https://"), TypeError);
  try {
    asUrl("http://user:hunter2@[x/?sig=PRESIGNED");
  } catch (error) {
    assertEquals(/hunter2|PRESIGNED/.test((error as Error).message), false);
  }
});
