import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { filesOfForm, type FormFile } from "../../../lib/http/protocols/form.ts";
import { HttpProblem } from "../../../lib/http/server/problems.ts";

const TYPE = "multipart/form-data; boundary=x";
const HEAD = '--x\r\nContent-Disposition: form-data; name="f"; filename="a.png"\r\n\r\n';

function read(text: string, type = TYPE, maxFiles = 3): FormFile[] {
  return filesOfForm(new TextEncoder().encode(text), type, maxFiles);
}

function problemOf(text: string, type = TYPE, maxFiles = 3): [string, string] {
  const error = assertThrows(() => read(text, type, maxFiles), HttpProblem);
  return [error.problem, error.message];
}

Deno.test("filesOfForm() reads what the platform writes, names and bytes", async () => {
  const contents = ["", "\r\n", "\r\n--", "--", "a\r\n\r\nb", "\0\xff"];
  const names = ["a.png", 'quo"te.png', "back\\slash.png", "ü 猫;=.png", "two\r\nlines", ""];
  const form = new FormData();
  form.append("text", "no file");
  names.forEach((name, i) => form.append("f", new File([contents[i]!], name)));
  const request = new Request("http://host/", { method: "POST", body: form });
  const type = request.headers.get("content-type")!;
  const files = filesOfForm(await request.bytes(), type, names.length);
  assertEquals(files.map(({ name }) => name), names);
  assertEquals(files.map(({ bytes }) => new TextDecoder().decode(bytes)), contents);
});

Deno.test("filesOfForm() reads other clients' forms", () => {
  const part = (disposition: string) => `--x\r\nCONTENT-disposition: ${disposition}\r\n\r\n1\r\n`;
  const nameOf = (disposition: string) => read(part(disposition) + "--x--\r\n")[0]?.name;
  assertEquals(nameOf('form-data; name="f"; filename="a\\"b.png"'), 'a"b.png'); // curl before 7.81
  assertEquals(nameOf("form-data; name=f; filename=a.png"), "a.png");
  assertEquals(nameOf("form-data; name=f; filename*=utf-8''%C3%BC.png"), "ü.png"); // urllib3 before 2
  assertEquals(nameOf("form-data; name=f; filename*=utf-8''%FF"), "%FF");
  assertEquals(nameOf('form-data; name="f"'), undefined);
  const odd = `preamble\r\n${HEAD.replace("--x", "--x \t")}1\r\n--x\r\n\r\nno headers\r\n--x--`;
  assertEquals(read(odd).map(({ bytes }) => [...bytes]), [[0x31]]);
  assertEquals(read(`${HEAD}1\r\n--x--`, 'multipart/form-data; a="b"; boundary="x"').length, 1);
});

Deno.test("filesOfForm() counts parts while it reads, and stops at one too many", () => {
  const bad = "--x, and the rest is never looked at";
  const [problem, detail] = problemOf(`${HEAD}1\r\n`.repeat(4) + bad);
  assertEquals([problem, detail], [
    "too-many-images",
    "Expected at most 3 images in a request, found more",
  ]);
  const field = '--x\r\nContent-Disposition: form-data; name="f"\r\n\r\n1\r\n';
  const [, fields] = problemOf(field.repeat(101) + bad);
  assertStringIncludes(fields, "at most 100 fields");
  assertEquals(read(field.repeat(100) + `${HEAD}1\r\n--x--`).length, 1);
});

Deno.test("filesOfForm() says what is malformed", () => {
  const wrong: [text: string, type: string, detail: string][] = [
    ["", TYPE, "expected it to end with its boundary, --x--"],
    ["no boundary", TYPE, "expected it to end with its boundary, --x--"],
    [HEAD, TYPE, "expected it to end with its boundary, --x--"],
    [`${HEAD}1\r\n--x`, TYPE, "expected it to end with its boundary, --x--"],
    [`${HEAD}1\r\n--x\r`, TYPE, "a line begins with its boundary"],
    ["--x\r\nContent-Disp", TYPE, "expected it to end with its boundary, --x--"],
    [`${HEAD}1\r\n--xy\r\n--x--`, TYPE, "a line begins with its boundary"],
    [`--x\r\na: ${"b".repeat(5000)}\r\n\r\n1\r\n--x--`, TYPE, "headers of at most 4096 bytes"],
    [`${HEAD}1\r\n--x--`, "multipart/form-data", "expected a boundary of 1 to 70 characters"],
    ["", `multipart/form-data; boundary=${"x".repeat(71)}`, "a boundary of 1 to 70 characters"],
  ];
  for (const [text, type, detail] of wrong) {
    const [problem, found] = problemOf(text, type);
    assertEquals(problem, "bad-request");
    assertStringIncludes(found, detail);
  }
});
