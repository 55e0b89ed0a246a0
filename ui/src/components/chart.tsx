/** A chart that follows the theme and the size of its place. */
import { useComputedColorScheme } from "@mantine/core";
import { BarChart, LineChart, ParallelChart, ScatterChart } from "echarts/charts";
import { GridComponent, LegendComponent, MarkLineComponent, ParallelComponent, TooltipComponent, VisualMapComponent } from "echarts/components";
import { type EChartsCoreOption, init, use } from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";
import { useEffect, useRef } from "react";

use([BarChart, LineChart, ParallelChart, ScatterChart, GridComponent, LegendComponent, MarkLineComponent, ParallelComponent, TooltipComponent, VisualMapComponent, CanvasRenderer]);

/** Lines that can be told apart, and seen, on either ground. */
const COLORS = {
  light: ["#007f8d", "#d9640a", "#6741d9", "#2f9e44", "#c2255c", "#1971c2", "#8f6b00", "#5c636a", "#0b7285"],
  dark: ["#56aab4", "#ff922b", "#b197fc", "#69db7c", "#f783ac", "#74c0fc", "#ffd43b", "#adb5bd", "#66d9e8"],
};

/** `label` says in words what the picture shows. */
export function Chart({ option, label, height = 220 }: { option: EChartsCoreOption; label: string; height?: number }) {
  const place = useRef<HTMLDivElement>(null);
  const scheme = useComputedColorScheme("light");
  useEffect(() => {
    if (!place.current) return;
    const chart = init(place.current, scheme === "dark" ? "dark" : undefined);
    // tooltips are drawn, not written as HTML: the names in them are other people's
    chart.setOption({ backgroundColor: "transparent", color: COLORS[scheme], animation: false, tooltip: { trigger: "axis", renderMode: "richText" }, ...option });
    const watcher = new ResizeObserver(() => chart.resize());
    watcher.observe(place.current);
    return () => {
      watcher.disconnect();
      chart.dispose();
    };
  }, [option, scheme]);
  return <div ref={place} role="img" aria-label={label} style={{ height }} />;
}
