/** The beginning of a table: what its columns hold, and its first rows. */
import { Button, Loader, Table, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { type Schemas, api, told } from "../api/client";
import { number, percent } from "./number";
import { Problem } from "./page";

type Told = Schemas["TablePreviewView"];
type Column = Schemas["TableColumnView"];

export function Preview({ artifact }: { artifact: Schemas["ArtifactView"] }) {
  const [isOpen, setOpen] = useState(false);
  const preview = useQuery({
    queryKey: ["artifacts", artifact.id, "preview"], enabled: isOpen, staleTime: Infinity, retry: false,
    queryFn: () => told(api.GET("/api/v1/artifacts/{artifact_id}/preview", { params: { path: { artifact_id: artifact.id } } })),
  });
  if (!isOpen) return <Button size="compact-xs" variant="default" my={4} onClick={() => setOpen(true)} aria-label={`look into ${artifact.name}`}>Look into it</Button>;
  if (preview.isError) return <Problem problem={preview.error} />;
  if (!preview.data) return <Loader size="xs" my={4} />;
  if (preview.data.problem) return <Text size="sm" c="dimmed" role="status">It {preview.data.problem}.</Text>;
  return <Shown preview={preview.data} />;
}

/** How much there is, and how much of it was looked at. */
export function extent(preview: Told): string {
  const rows = preview.rows === null ? `more than ${preview.looked_at} rows` : `${preview.rows} ${preview.rows === 1 ? "row" : "rows"}`;
  const columns = `${preview.columns_in_all} ${preview.columns_in_all === 1 ? "column" : "columns"}`;
  const part = preview.rows !== null && preview.looked_at < preview.rows ? `; the columns are described by the first ${preview.looked_at} rows` : "";
  const hidden = preview.columns.length < preview.columns_in_all ? `; ${preview.columns.length} columns are shown` : "";
  return `${preview.format}, ${rows}, ${columns}${part}${hidden}`;
}

/** What a column holds, in a few words. */
export function profile(column: Column, lookedAt: number): string[] {
  const words: string[] = [];
  if (column.least !== null && column.most !== null) words.push(`${cell(column.least)} … ${cell(column.most)}`);
  if (column.mean !== null) words.push(`mean ${number(column.mean, 4)}`);
  if (column.common) words.push(`mostly ${cell(column.common[0]).slice(0, 20)} (${percent(Number(column.common[1]) / (lookedAt || 1))})`);
  if (column.distinct !== null) words.push(`${column.distinct} distinct`);
  if (column.missing > 0) words.push(`${column.missing} missing`);
  return words;
}

const cell = (value: unknown): string => (typeof value === "number" ? number(value, 6) : value === "" ? "(empty)" : String(value));

function Shown({ preview }: { preview: Told }) {
  return (
    <div>
      <Text size="xs" c="dimmed" my={4}>{extent(preview)}{preview.note && `; ${preview.note}`}</Text>
      <div className="wide preview" tabIndex={0} role="region" aria-label="the first rows">
        <Table withColumnBorders striped>
          <Table.Thead>
            <Table.Tr>
              {preview.columns.map((column, index) => (
                <Table.Th key={index}>
                  <Text span size="sm" fw={600}>{column.name}</Text> <Text span size="xs" c="dimmed">{column.type}</Text>
                  {profile(column, preview.looked_at).map((words) => <Text key={words} size="xs" c={words.endsWith("missing") ? "orange" : "dimmed"} fw={400}>{words}</Text>)}
                </Table.Th>
              ))}
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {preview.cells.map((row, index) => (
              <Table.Tr key={index}>
                {row.map((value, place) => (
                  <Table.Td key={place} className="mono" ta={typeof value === "number" ? "right" : "left"} title={typeof value === "string" ? value : undefined}>
                    {value === null ? <span className="muted">–</span> : cell(value)}
                  </Table.Td>
                ))}
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </div>
    </div>
  );
}
