import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { TrainingKernels } from "../../lib/train/kernels.ts";
import {
  type Logistic,
  type LogisticOptions,
  logisticPath,
  type LogisticTask,
} from "../../lib/train/logistic.ts";
import { rowsAt, RowsInMemory } from "../../lib/train/rows.ts";
import { distance } from "../support/distance.ts";
import { random } from "../support/random_model.ts";
import scikit from "../fixtures/logistic/logistic.json" with { type: "json" };

const kernels = await TrainingKernels.start();

const EXACT = { tolerance: 1e-10 };

async function learn(
  task: LogisticTask,
  path: readonly number[],
  options: LogisticOptions = EXACT,
): Promise<Logistic[]> {
  return await Array.fromAsync(logisticPath(kernels, task, path, options));
}

/** Rows of three classes, `[count, length]`. */
function task(
  count: number,
  length: number,
): LogisticTask & { labels: number[]; rows: RowsInMemory } {
  const next = random(7), labels = Array.from({ length: count }, (_, n) => n % 3);
  const rows = Float32Array.from(
    { length: count * length },
    (_, at) => next() - 0.5 + Number(at % length === labels[Math.floor(at / length)]),
  );
  return { rows: new RowsInMemory(rows, length), labels, classes: 3 };
}

for (const { classes, labels, rows, fits } of scikit) {
  const shape = `${labels.length} rows of ${rows[0].length}, ${classes} classes`;
  const name = `logisticPath() learns scikit-learn's weights: ${shape}`;
  Deno.test(name, async () => {
    const task = {
      rows: new RowsInMemory(Float32Array.from(rows.flat()), rows[0].length),
      ...{ labels, classes },
    };
    const found = await learn(
      task,
      fits.map(({ strength }) => strength),
    );
    fits.forEach((expected, n) => {
      const { weight, bias, converged } = found[n];
      assert(converged);
      const own = expected.weight.flat();
      // Weights are rounded to float32: to 6e-8 of themselves. scikit-learn's end at a gradient of 1e-12.
      if (classes > 2) {
        assert(distance(weight, own) < 1e-6);
        assert(distance(bias, expected.bias) < 1e-6);
      } else {
        const difference = own.map((_, i) => weight[own.length + i] - weight[i]);
        assert(distance(difference, own) < 1e-6);
        assertAlmostEquals(bias[1] - bias[0], expected.bias[0], 1e-6);
      }
    });
  });
}

for (const [count, length] of [[60, 9], [21, 70]]) {
  const shape = `${count} rows of ${length}`;

  Deno.test(`the order of ${shape} changes nothing beyond rounding`, async () => {
    const given = task(count, length);
    const order = Array.from({ length: count }, (_, n) => (n * 11 + 5) % count);
    assertEquals(new Set(order).size, count);
    const moved = {
      ...given,
      labels: order.map((n) => given.labels[n]),
      rows: rowsAt(given.rows, order),
    };
    const [a] = await learn(given, [3]), [b] = await learn(moved, [3]);
    assert(distance(a.weight, b.weight) < 1e-6);
    assert(distance(a.bias, b.bias) < 1e-6);
  });

  Deno.test(`each of ${shape} twice is what twice the strength is`, async () => {
    const given = task(count, length);
    const twice = {
      ...given,
      labels: [...given.labels, ...given.labels],
      rows: rowsAt(given.rows, Array.from({ length: 2 * count }, (_, n) => n % count)),
    };
    const [a] = await learn(given, [4]), [b] = await learn(twice, [2]);
    assert(distance(a.weight, b.weight) < 1e-6);
    assert(distance(a.bias, b.bias) < 1e-6);
  });

  Deno.test(`${shape}: the way to a strength does not matter, nor do threads`, async () => {
    const given = task(count, length);
    const [direct] = await learn(given, [10]);
    const path = await learn(given, [0.1, 10, 10]);
    assertEquals(path.map(({ C }) => C), [0.1, 10, 10]);
    assert(distance(path[1].weight, direct.weight) < 1e-6);
    assertEquals(path[2], { ...path[1], updates: 0 }, "it goes on from where it is");
    const threads = await TrainingKernels.start(2);
    try {
      const [same] = await Array.fromAsync(logisticPath(threads, given, [10], EXACT));
      assertEquals(same, direct);
    } finally {
      await threads.end();
    }
  });
}

Deno.test("logisticPath() ends after maxUpdates, and says so", async () => {
  const [{ updates, converged }] = await learn(task(30, 5), [10], { ...EXACT, maxUpdates: 3 });
  assertEquals([updates, converged], [3, false]);
});

Deno.test("logisticPath() ends as soon as it is aborted", async () => {
  const controller = new AbortController(),
    path = function* () {
      yield 1;
      controller.abort(new Error("enough"));
      yield 2;
    };
  const { signal } = controller, found: number[] = [];
  await assertRejects(
    async () => {
      for await (const { C } of logisticPath(kernels, task(30, 5), path(), { signal })) {
        found.push(C);
      }
    },
    Error,
    "enough",
  );
  assertEquals(found, [1]);
});

Deno.test("rows that are all alike leave the classes' shares", async () => {
  const labels = [0, 0, 0, 1];
  const [{ weight, bias }] = await learn({
    rows: new RowsInMemory(new Float32Array(8), 2),
    ...{ labels, classes: 2 },
  }, [1]);
  assertEquals(weight, new Float32Array(4));
  assertAlmostEquals(bias[0] - bias[1], Math.log(3), 1e-6);
});
