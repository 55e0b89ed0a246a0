import { expect, test, vi } from "vitest";

import { collected } from "../api/live";
import { bytes, number } from "./number";
import { inOrder } from "./rows";
import { ago, seconds } from "./when";

test("numbers are short, whole ones whole, and what is no number is as it is", () => {
  expect(number(1.6612678027237988)).toBe("1.6613");
  expect(number(37)).toBe("37");
  expect(number(0.000012345678)).toBe("0.000012346");
  expect(number("nan")).toBe("nan");
  expect(number(null)).toBe("–");
  expect(bytes(12_125)).toBe("12.1 kB");
});

test("times are relative", () => {
  const now = Date.parse("2030-01-01T12:00:00Z");
  expect(ago("2030-01-01T11:59:58Z", now)).toBe("now");
  expect(ago("2030-01-01T11:30:00Z", now)).toBe("30 min ago");
  expect(ago("2029-12-30T12:00:00Z", now)).toBe("2 d ago");
  expect(seconds(0.0123)).toBe("12 ms");
});

test("rows without a value stand last, up and down", () => {
  const rows = [{ v: 2 }, { v: null }, { v: 10 }];
  expect(inOrder(rows, (row) => row.v, false).map((row) => row.v)).toEqual([2, 10, null]);
  expect(inOrder(rows, (row) => row.v, true).map((row) => row.v)).toEqual([10, 2, null]);
});

test("a hundred events at once ask once for each thing", () => {
  vi.useFakeTimers();
  const tell = vi.fn();
  const stale = collected(tell);
  for (let count = 0; count < 100; count += 1) stale(["runs", "home"]);
  vi.runAllTimers();
  expect(tell).toHaveBeenCalledTimes(1);
  expect([...tell.mock.calls[0]![0]]).toEqual(["runs", "home"]);
  vi.useRealTimers();
});
