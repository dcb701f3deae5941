/**
 * Return the ticks of an axis that contains all values: at most six ticks, highest first. One of them is 0. The
 * distance between ticks is 1, 2, 2.5 or 5 times a power of ten.
 * @param {number} lowest the lowest value, at most 0
 * @param {number} highest the highest value, at least 0
 */
export function axisTicks(lowest, highest) {
  const power = 10 ** Math.floor(Math.log10((highest - lowest) / 5));
  for (const factor of [1, 2, 2.5, 5, 10, 20]) {
    const step = factor * power;
    // Subtract a little because of rounding errors: a quotient of 5 may be computed as 5.000000000000001.
    const [above, below] = [highest, -lowest].map((value) => Math.ceil(value / step - 1e-9));
    if (above + below <= 5) return Array.from({ length: above + below + 1 }, (_, index) => (above - index) * step);
  }
  return [0];
}
