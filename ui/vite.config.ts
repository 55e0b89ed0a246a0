import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const site = process.env.TIDEMILL_SITE ?? "http://127.0.0.1:8080";

export default defineConfig({
  plugins: [react()],
  // names by content: a browser may keep them for ever, only index.html is asked for again
  build: { target: "es2022", assetsDir: "dashboard", chunkSizeWarningLimit: 900 },
  server: { proxy: { "/api": site, "/sign-in": site } },
});
