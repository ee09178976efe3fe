import { assertEquals } from "@std/assert";
import { Answers, embeddingAnswer, errorLine, lineOf } from "../../../lib/cli/worker/answers.ts";
import { ProtocolError } from "../../../lib/cli/worker/requests.ts";
import { ImageDecodeError } from "../../../lib/errors.ts";

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

Deno.test("an answer is sent at once, and together with others that come meanwhile", async () => {
  const sent: string[] = [], held = [Promise.withResolvers<void>()];
  const answers = new Answers(async (bytes) => {
    sent.push(text(bytes));
    await held.at(-1)!.promise;
  });
  for (const id of [1, 2, 3]) await answers.add(lineOf({ id }));
  assertEquals(sent, ['{"id":1}\n']);
  held[0]!.resolve();
  await answers[Symbol.asyncDispose]();
  assertEquals(sent, ['{"id":1}\n', '{"id":2}\n{"id":3}\n']);
});

Deno.test("answers wait for their reader once there are many", async () => {
  const held = Promise.withResolvers<void>(), sent: number[] = [];
  const answers = new Answers(async (bytes) => {
    await held.promise;
    sent.push(bytes.length);
  });
  const answer = new Uint8Array(2 ** 15);
  for (const _ of [1, 2]) await answers.add(answer);
  let isTaken = false;
  const third = answers.add(answer).then(() => isTaken = true);
  await new Promise((resolve) => setTimeout(resolve));
  assertEquals(isTaken, false);
  held.resolve();
  await third;
  assertEquals(sent, [2 ** 15, 2 ** 16]);
});

Deno.test("an embedding is float32, the low byte first, behind its line or in it", () => {
  const embedding = { layer: "fc8", shape: [1, 2], data: Float32Array.of(1, -2) } as const;
  const bytes = [0, 0, 128, 63, 0, 0, 0, 192]; // IEEE 754.
  const head = '{"id":"x","shape":[1,2],"bytes":8}\n';
  const answer = embeddingAnswer("x", embedding, false);
  assertEquals(text(answer.subarray(0, head.length)), head);
  assertEquals([...answer.subarray(head.length)], bytes);
  const line = text(embeddingAnswer(7, embedding, true));
  assertEquals(line, '{"id":7,"shape":[1,2],"embedding":"AACAPwAAAMA="}\n');
});

Deno.test("an error has its code, and no secret of a URL", () => {
  const lost = new ImageDecodeError("Cannot read https://u:p@h/x?token=1", {
    ...{ code: "image-fetch", status: 503 },
  });
  assertEquals(
    text(errorLine(1, lost)),
    '{"id":1,"error":{"code":"image-fetch","retryable":true,"message":"Cannot read https://h/x"}}\n',
  );
  assertEquals(
    text(errorLine(null, new ProtocolError("a\u0007\nb"))),
    '{"id":null,"error":{"code":"PROTOCOL","retryable":false,"message":"a\\u0007\\nb"}}\n',
  );
  assertEquals(
    text(errorLine("\u202e", new RangeError("too small"))),
    '{"id":"\\u202e","error":{"retryable":false,"message":"too small"}}\n',
  );
});
