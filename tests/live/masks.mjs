// Writes the masks and random numbers of some addresses as bytes: `node masks.mjs MASKS NUMBERS`.

import { writeFileSync } from "node:fs";
import { keepMask, normals, philox4x32, uniforms } from "../../docs/live/modules/philox.js";

const words = Array.from(philox4x32(0, 0, 0, 0, 0, 0, new Uint32Array(4)));
const addresses = [[0, 0, 0], [7, 2, 5], [2 ** 33 + 1, 3, 2 ** 40 + 9]];
const masks = addresses.map(([seed, stream, step]) => keepMask(seed, stream, step, 1100, 303, 0.3));
writeFileSync(process.argv[2], Buffer.concat(masks));
const numbers = addresses.flatMap(([seed, stream, step]) => [
  ...uniforms(seed, stream, step, 2 ** 33 + 4, 130), ...normals(seed, stream, step, 3, 130),
]);
writeFileSync(process.argv[3], Buffer.from(Float64Array.from(numbers).buffer));
console.log(words.map((word) => word.toString(16)).join(" "));
