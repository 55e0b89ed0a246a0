/** The look: calm, dense, one accent. */
import { createTheme, type MantineColorsTuple } from "@mantine/core";

const tide: MantineColorsTuple = [
  "#e6f7f8", "#d3eaec", "#a9d4d9", "#7bbdc5", "#56aab4", "#3d9daa", "#2b94a3", "#177f8d", "#006f7d", "#005d69",
];

export const theme = createTheme({
  primaryColor: "tide",
  primaryShade: 8,
  colors: { tide },
  fontFamily: "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif",
  fontFamilyMonospace: "ui-monospace, 'SF Mono', 'Cascadia Mono', 'DejaVu Sans Mono', monospace",
  defaultRadius: "sm",
  headings: { fontWeight: "600", sizes: { h1: { fontSize: "1.375rem" }, h2: { fontSize: "1.0625rem" }, h3: { fontSize: "0.9375rem" } } },
  components: {
    Table: { defaultProps: { verticalSpacing: 6, horizontalSpacing: "sm", highlightOnHover: true } },
    Button: { defaultProps: { size: "xs" } },
    TextInput: { defaultProps: { size: "xs" } },
    Select: { defaultProps: { size: "xs" } },
    Badge: { defaultProps: { variant: "light", radius: "sm" } },
    Card: { defaultProps: { withBorder: true, padding: "md" } },
    Tooltip: { defaultProps: { openDelay: 300, withArrow: true } },
  },
});
