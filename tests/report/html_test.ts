import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { foldedTable, htmlPage, htmlTable, linePlot } from "../../lib/report/html.ts";

/** A text that would be HTML, with what is never seen. */
const hostile = (name: string): string => `${name}<img src=x onerror=alert(1)>"&\u202e`;

Deno.test("whatever a page, a table or a plot is called is text", () => {
  const axis = (name: string) => ({ label: hostile(name), min: 0, max: 1 });
  const plot = linePlot({
    ...{ title: hostile("title"), x: axis("x"), y: axis("y") },
    lines: [
      { label: hostile("first"), points: [[0, 0], [1, 1]] },
      { label: hostile("second"), points: [], dashed: true },
    ],
  });
  const rows = [["head", "1"].map(hostile), ["cell", "2"].map(hostile)];
  const page = htmlPage(hostile("page"), [plot, htmlTable(rows), foldedTable(rows)]);
  assert(!page.includes("<img"), page);
  assert(!page.includes("\u202e"));
  for (const name of ["title", "x", "y", "first", "second", "head", "cell", "page"]) {
    assertStringIncludes(page, `${name}&lt;img src=x onerror=alert(1)&gt;`);
  }
});

Deno.test("a plot's axes are told from end to end", () => {
  const plot = linePlot({
    ...{ title: "t", x: { label: "x", min: 0, max: 10 }, y: { label: "y", min: 20, max: 30 } },
    lines: [{ label: "l", points: [[0, 20], [10, 30]] }],
  });
  const ticks = [...plot.matchAll(/text-anchor="(end|middle)">([\d.]+)</g)];
  const at = (anchor: string) =>
    ticks.filter(([, own]) => own === anchor).map(([, , n]) => Number(n));
  assertEquals(at("middle"), [0, 2, 4, 6, 8, 10]);
  assertEquals(at("end"), [20, 22, 24, 26, 28, 30]);
});

Deno.test("a table that has no row but its head is not folded, and a head of nothing is none", () => {
  assertEquals(foldedTable([["a", "b"]]), "");
  assertStringIncludes(foldedTable([["a"], ["b"], ["c"]]), "<summary>2 more</summary>");
  assert(!htmlTable([["", ""], ["a", "b"]]).includes("<th"));
});
