/** Many points of a curve -> few that look the same: the ends and the extremes of each stretch survive. */

export interface CurvePoint {
  readonly x: number;
  readonly y: number;
}

/**
 * At most `limit` points (at least 4), in the order of x; `points` must be in that order. Each equal-count stretch
 * keeps its lowest and highest point, so no peak is lost. A short curve comes back as it is.
 */
export function downsample<P extends CurvePoint>(points: readonly P[], limit: number): P[] {
  if (points.length <= limit) return [...points];
  const first = points[0];
  const last = points[points.length - 1];
  if (!first || !last) return [];
  const inner = points.slice(1, -1);
  const stretches = Math.max(1, Math.floor((limit - 2) / 2));
  const kept: P[] = [first];
  for (let stretch = 0; stretch < stretches; stretch += 1) {
    const from = Math.floor((stretch * inner.length) / stretches);
    const to = Math.floor(((stretch + 1) * inner.length) / stretches);
    kept.push(...extremes(inner.slice(from, to)));
  }
  kept.push(last);
  return kept;
}

/** The lowest and the highest point in their order; one when they are the same. */
function extremes<P extends CurvePoint>(points: readonly P[]): P[] {
  let low: P | undefined;
  let high: P | undefined;
  for (const point of points) {
    if (!low || point.y < low.y) low = point;
    if (!high || point.y > high.y) high = point;
  }
  if (!low || !high) return [];
  if (low === high) return [low];
  return low.x <= high.x ? [low, high] : [high, low];
}

/** A cumulative counter -> its rate per second between neighbouring readings. A counter that fell gives no point. */
export function ratePerS(points: readonly CurvePoint[], secondsPerX: number): CurvePoint[] {
  return points.flatMap((point, index) => {
    const before = points[index - 1];
    if (!before || point.x <= before.x || point.y < before.y) return [];
    return [{ x: point.x, y: (point.y - before.y) / ((point.x - before.x) * secondsPerX) }];
  });
}
