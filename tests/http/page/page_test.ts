import { assert, assertEquals, assertMatch } from "@std/assert";
import { Buffer } from "node:buffer";
import { fromFileUrl } from "@std/path";
import { devTest } from "../../support/dev_packages.ts";
import { classifierFrom } from "../../../lib/compose/classifier_from.ts";
import { fuse } from "../../../lib/compose/fuse.ts";
import { createService, type Service } from "../../../lib/http/service.ts";
import { classifierOn } from "../../../lib/classifier.ts";
import { floatEngine } from "../../support/float_engine.ts";
import { cifar10Classifier, testService } from "../../support/http_service.ts";
import { sigmoidVgg } from "../../support/small_vgg.ts";

const CAT_FILE = fromFileUrl(new URL("../../data/photos/cat.png", import.meta.url));
/** Where screenshots go, if someone wants to look at them. */
const SCREENSHOTS = Deno.env.get("SCREENSHOTS");
const SIZES = {
  phone: { width: 390, height: 844 },
  desktop: { width: 1280, height: 800 },
} as const;

// deno-lint-ignore no-explicit-any -- the packages are not downloaded for the type check
type Any = any;

const NEEDS = {
  file: import.meta.url,
  packages: ["playwright-core", "axe-core"],
  programs: { chromium: "chromium" },
} as const;

/** Opens the page in Chromium and fails on every error, warning or request to elsewhere. */
async function withPage(
  packages: Readonly<Record<string, Any>>,
  context: Record<string, unknown>,
  test: (page: Any) => Promise<void>,
  { service = testService() as Pick<Service, "fetch">, expected = /^$/, path = "/" } = {},
): Promise<void> {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, service.fetch);
  const origin = `http://127.0.0.1:${server.addr.port}`;
  const browser = await packages["playwright-core"].chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: ["--no-sandbox", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"],
  });
  try {
    const page = await (await browser.newContext({ ...context, permissions: ["camera"] }))
      .newPage();
    const complaints: string[] = [];
    page.on("console", (message: Any) => {
      const isBad = ["error", "warning"].includes(message.type());
      if (isBad && !expected.test(message.text())) complaints.push(message.text());
    });
    page.on("pageerror", (error: Error) => complaints.push(error.message));
    page.on("request", (request: Any) => {
      const { protocol } = new URL(request.url());
      if (!request.url().startsWith(origin) && protocol !== "blob:" && protocol !== "data:") {
        complaints.push(`request to ${request.url()}`);
      }
    });
    await page.goto(origin + path);
    await test(page);
    assertEquals(complaints, []);
  } finally {
    await browser.close();
    await server.shutdown();
  }
}

/** Rules of axe that the page breaks now, as text. */
async function violations(page: Any, packages: Readonly<Record<string, Any>>): Promise<string[]> {
  // Playwright's own world is not bound by the page's policy.
  await page.evaluate(packages["axe-core"].default.source);
  const { violations } = await page.evaluate("axe.run()");
  return violations.map((v: Any) => `${v.id}: ${v.nodes.map((n: Any) => n.html).join(" | ")}`);
}

async function waitForHeat(page: Any, label: string): Promise<void> {
  await page.getByAltText(`where it looked for ${label}`).waitFor({ timeout: 10_000 });
}

for (const [name, viewport] of Object.entries(SIZES)) {
  for (const colorScheme of ["light", "dark"] as const) {
    devTest(
      `a browser of a ${name}'s size, ${colorScheme}, shows label and heat map`,
      NEEDS,
      async (packages) => {
        await withPage(packages, { viewport, colorScheme }, async (page) => {
          assertEquals(await violations(page, packages), []);
          await page.getByLabel("Choose a picture").setInputFiles(CAT_FILE);
          await waitForHeat(page, "cat");
          assertMatch(
            await page.getByRole("status").textContent(),
            /^It looks like: cat, 9\d\.\d %$/,
          );
          assertEquals(await page.getByRole("listitem").count(), 5);
          assertMatch(await page.locator("#timing").textContent(), /ms on wasm, int8\.$/);
          const { naturalWidth, scroll } = await page.evaluate(
            "({ naturalWidth: picture.naturalWidth, scroll: document.documentElement.scrollWidth })",
          );
          assert(naturalWidth >= 300 && scroll <= viewport.width, `${naturalWidth} ${scroll}`);
          assertEquals(await violations(page, packages), []);
          if (SCREENSHOTS !== undefined) {
            await page.screenshot({
              path: `${SCREENSHOTS}/${name}-${colorScheme}.png`,
              fullPage: true,
            });
          }
        });
      },
    );
  }
}

devTest("the page is used by keyboard alone", NEEDS, async (packages) => {
  await withPage(packages, {}, async (page) => {
    await page.getByLabel("Choose a picture").setInputFiles(CAT_FILE);
    await waitForHeat(page, "cat");
    await page.keyboard.press("Tab"); // From the file input: the camera's button comes next.
    const focused = () =>
      page.evaluate("document.activeElement.textContent || document.activeElement.id");
    const stops: string[] = [];
    for (let i = 0; i < 10; i++) {
      stops.push(await focused());
      await page.keyboard.press("Tab");
    }
    for (const stop of ["Use the camera", "heat", "API"]) {
      assert(stops.includes(stop), stops.join());
    }
    await page.getByRole("button", { name: "deer" }).focus();
    await page.keyboard.press("Enter");
    await waitForHeat(page, "deer");
    assertEquals(
      await page.getByRole("button", { name: "deer" }).getAttribute("aria-pressed"),
      "true",
    );
    await page.getByLabel("Show where it looked").focus();
    await page.keyboard.press("Space");
    await page.getByAltText("Your picture", { exact: true }).waitFor();
  });
});

devTest("a picture can be pasted, dropped and taken with the camera", NEEDS, async (packages) => {
  await withPage(packages, {}, async (page) => {
    const bytes = (await Deno.readFile(CAT_FILE)).toBase64();
    const send = (type: string) =>
      page.evaluate(`(() => {
        const bytes = Uint8Array.from(atob("${bytes}"), (c) => c.charCodeAt(0));
        const data = new DataTransfer();
        data.items.add(new File([bytes], "cat.png", { type: "image/png" }));
        const event = "${type}" === "paste"
          ? new ClipboardEvent("paste", { clipboardData: data, bubbles: true })
          : new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true });
        document.body.dispatchEvent(event);
      })()`);
    for (const type of ["paste", "drop"]) {
      await send(type);
      await waitForHeat(page, "cat");
      await page.reload();
    }
    await page.getByRole("button", { name: "Use the camera" }).click();
    assertEquals(await violations(page, packages), []);
    await page.getByRole("button", { name: "Take the picture" }).click();
    await page.getByText("It looks like:").waitFor();
    await page.getByRole("button", { name: "Use the camera" }).waitFor();
  });
});

devTest("a bad picture is told in words, and a key is asked for", NEEDS, async (packages) => {
  const service = testService({ keys: ["open-sesame"] });
  // The browser notes each status that is no success on its console.
  const expected = /status of 4\d\d/;
  await withPage(packages, {}, async (page) => {
    await page.getByLabel("Choose a picture").setInputFiles(CAT_FILE);
    await page.getByRole("alert").getByText("Authorization").waitFor();
    assertEquals(await violations(page, packages), []);
    await page.getByLabel("Access key").fill("open-sesame");
    await page.keyboard.press("Enter");
    await waitForHeat(page, "cat");
    const buffer = Buffer.from("oops");
    const broken = { name: "broken.png", mimeType: "image/png", buffer };
    await page.getByLabel("Choose a picture").setInputFiles(broken);
    await page.getByText("found text that starts with").waitFor();
  }, { service, expected });
});

for (const logits of [1, 3]) {
  devTest(
    `the page says that labels stand by themselves where they do, and only there: ${logits} logits`,
    NEEDS,
    async (packages) => {
      const { model, weights } = await sigmoidVgg(logits);
      const classifier = classifierOn(model, floatEngine(model, weights));
      const isMultiLabel = logits > 1;
      await withPage(packages, {}, async (page) => {
        await page.getByLabel("Choose a picture").setInputFiles(CAT_FILE);
        await waitForHeat(page, isMultiLabel ? "a" : "yes");
        const note = page.getByText("Each label by itself");
        assertEquals(await note.isVisible(), isMultiLabel);
        const words = isMultiLabel ? /^Most likely: a, / : /^It looks like: yes, /;
        assertMatch(await page.getByRole("status").textContent(), words);
        assertEquals(await violations(page, packages), []);
        if (SCREENSHOTS !== undefined) {
          await page.screenshot({ path: `${SCREENSHOTS}/sigmoid-${logits}.png`, fullPage: true });
        }
      }, { service: testService({ classifier }) });
    },
  );
}

for (const sureScore of [0.9, 0.99]) {
  devTest(
    `the page says that it is not sure where it is not, and only there: from ${sureScore} on`,
    NEEDS,
    async (packages) => {
      const classifier = classifierFrom({
        labels: ["coffee mug", "teapot", "none of these"],
        scores: (images) => images.map(() => [0.95, 0.03, 0.02]),
        sureScore,
      });
      const words = sureScore < 0.95 ? "It looks like" : "Not sure. Most likely";
      await withPage(packages, {}, async (page) => {
        await page.getByLabel("Choose a picture").setInputFiles(CAT_FILE);
        await page.locator("#predictions button:disabled").first().waitFor();
        const status = await page.getByRole("status").textContent();
        assertEquals(status, `${words}: coffee mug, 95.0 %`);
        assertEquals(await violations(page, packages), []);
        if (SCREENSHOTS !== undefined) {
          await page.screenshot({ path: `${SCREENSHOTS}/sure-${sureScore}.png`, fullPage: true });
        }
      }, { service: testService({ classifier }), expected: /status of 501/ });
    },
  );
}

for (const path of ["/api/vision", "/api/vision/"]) {
  devTest(
    `mounted at ${path}, the page shows labels, and no heat map of an ensemble`,
    NEEDS,
    async (packages) => {
      const classifier = fuse([await cifar10Classifier()]);
      const service = createService({ classifier, basePath: "/api/vision", logLevel: "off" });
      await withPage(packages, {}, async (page) => {
        await page.getByLabel("Choose a picture").setInputFiles(CAT_FILE);
        await page.locator("#predictions button:disabled").first().waitFor();
        assertMatch(await page.getByRole("status").textContent(), /^It looks like: cat/);
        assertEquals(await page.getByRole("alert").isVisible(), false);
        assertEquals(await page.getByLabel("where it looked").isVisible(), false);
        assertEquals(await violations(page, packages), []);
      }, { service, expected: /status of 501/, path });
    },
  );
}
