/** The log of a task, followed while it is written. */
import { ScrollArea, Text } from "@mantine/core";
import { useEffect, useRef, useState } from "react";

import { api, told } from "../api/client";

const PAUSE_MS = 700;

export function LogText({ run, task, isMoving }: { run: string; task: string; isMoving: boolean }) {
  const [text, setText] = useState<string | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const end = useRef<HTMLDivElement>(null);
  useEffect(() => {
    let [offset, isOver] = [0, false];
    setText(null);
    setProblem(null);
    const read = async () => {
      while (!isOver) {
        try {
          const page = await told(api.GET("/api/v1/runs/{run_id}/logs", { params: { path: { run_id: run }, query: { task, offset_bytes: offset } } }));
          if (isOver) return;
          setText((before) => (before ?? "") + page.text);
          const hasMore = page.next_offset_bytes > offset;
          offset = page.next_offset_bytes;
          if (page.is_complete && !hasMore) return;
          if (!hasMore) await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
        } catch (refused) {
          setProblem(refused instanceof Error ? refused.message : String(refused));
          return;
        }
      }
    };
    void read();
    return () => {
      isOver = true;
    };
  }, [run, task, isMoving]);
  useEffect(() => {
    if (isMoving) end.current?.scrollIntoView({ block: "nearest" });
  }, [text, isMoving]);
  if (problem) return <Text size="sm" c="dimmed">{problem}</Text>;
  if (text === null) return <Text size="sm" c="dimmed">…</Text>;
  if (text === "") return <Text size="sm" c="dimmed">It has written nothing.</Text>;
  return (
    <ScrollArea.Autosize mah={520}>
      <pre className="log mono" tabIndex={0}>{text}</pre>
      <div ref={end} />
    </ScrollArea.Autosize>
  );
}
