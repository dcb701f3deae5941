import { html } from "../shared/dom.js";
import { isProblem, Problem, request } from "../shared/request.js";
import { isRetryable, STATUSES } from "./api.js";
import { isoDay } from "./format.js";
import { midnight } from "./period.js";

/** @import {Api} from "./api.js" */
/** @import {Filter} from "./merge.js" */

const PART_TIMEOUT_MS = 120_000; // long, because a part has several megabytes
const PART_TRIES = 4;

/** @param {number} seconds @param {AbortSignal} signal */
export const pause = (seconds, signal) =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });

/**
 * Save the outcomes of a selection as one CSV file. Throws a Problem.
 * @param {Api} api
 * @param {Filter} query
 * @param {{from: Date, to: Date}} period
 * @param {HTMLProgressElement} bar
 * @param {AbortSignal} signal
 */
export async function download(api, query, { from, to }, bar, signal) {
  const { outcomeType, agentId, status } = query;
  const url = api.url("/export", { format: "csv", time: "occurred", ...query });
  // Without a status, the API leaves out void outcomes, so request every status.
  if (!status) for (const one of STATUSES) url.searchParams.append("status", one);
  const until = Math.min(Date.now(), to.getTime());
  const file = await readParts(url, signal, (time) => {
    bar.value = (until - time) / (until - from.getTime());
  });
  const days = [from, midnight(-1, to)].map((day) => isoDay.format(day));
  const words = ["outcomes", ...days, outcomeType, agentId && `agent-${agentId}`, status];
  save(file, `${words.filter(Boolean).join("_")}.csv`);
}

/**
 * Read an export part by part, and return it as one CSV file. Throws a Problem.
 * @param {URL} url
 * @param {AbortSignal} signal
 * @param {(time: number) => void} reached called with the time when the last outcome of each part happened
 */
async function readParts(url, signal, reached) {
  /** @type {BlobPart[]} */
  const parts = ["\ufeff"]; // the BOM makes spreadsheets read UTF-8
  let owner;
  for await (const { text } of readEach(url, "text/csv", signal)) {
    const id = /^\w+,(\d+),/m.exec(text)?.[1]; // undefined for an empty part
    owner ??= id;
    if (id && id !== owner) throw new Problem("error", "Another user has signed in.");
    parts.push(new Blob([text]));
    // Lines are sorted by when outcomes happened, latest first, so the time in the last line shows the progress.
    const time = Date.parse(/([^,]+),\w+,[^,]*\r\n$/.exec(text.slice(-300))?.[1] ?? "");
    if (time) reached(time);
  }
  return new Blob(parts, { type: "text/csv" });
}

/** Save a file on the viewer's device. @param {Blob} file @param {string} name */
export function save(file, name) {
  const address = URL.createObjectURL(file);
  html("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000); // no event tells when the browser has read the file
}

/** Read all parts of a file, one after the other. @param {URL} url @param {string} accept @param {AbortSignal} signal */
export async function* readEach(url, accept, signal) {
  /** @type {string | null} */
  let cursor = null;
  do {
    if (cursor) url.searchParams.set("cursor", cursor);
    const part = await retry(() => readPart(url, accept, signal), signal);
    yield part;
    cursor = part.headers.get("next-cursor");
  } while (cursor);
}

/** @param {URL} url @param {string} accept @param {AbortSignal} signal */
async function readPart(url, accept, signal) {
  const part = await request(url, signal, { headers: { accept }, timeout: PART_TIMEOUT_MS });
  if (part.problem) throw part.problem;
  return part;
}

/**
 * Try a request up to PART_TRIES times, with exponential backoff.
 * @template Answer
 * @param {() => Promise<Answer>} send
 * @param {AbortSignal} signal
 */
export async function retry(send, signal) {
  for (let tries = 1; ; tries += 1) {
    try {
      return await send();
    } catch (error) {
      const isFinal = tries === PART_TRIES || !isProblem(error) || error.kind !== "error";
      if (isFinal || !isRetryable(error)) throw error;
      await pause(Math.max(error.retryAfter, 2 ** tries / 4), signal);
    }
  }
}
