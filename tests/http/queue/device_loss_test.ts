/** The device is lost while the service computes on it: the real engine, on whatever adapter there is. */

import { assert, assertEquals } from "@std/assert";
import { loadClassifier } from "../../../lib/classifier.ts";
import { breakable } from "../../support/breakable_gpu.ts";
import { CAT, post, testService } from "../../support/http_service.ts";
import { gpuTest } from "../../support/webgpu.ts";
import { CIFAR10 } from "../../support/cifar10.ts";

gpuTest("a GPU that is lost during batches loses no request", async () => {
  using gpu = breakable();
  await using classifier = await loadClassifier({ model: CIFAR10, backend: "webgpu" });
  const { flaky, losses } = gpu.breakEvery(2, classifier);
  const service = testService({ classifier: flaky, maxBatch: 2 });
  const sent = Array.from({ length: 4 }, () => service.fetch(post("/classify", CAT)));
  for (const response of await Promise.all(sent)) {
    assertEquals(response.status, 200);
    assertEquals((await response.json())[0].label, "cat");
  }
  assert(losses() >= 1, `${losses()}`);
});
