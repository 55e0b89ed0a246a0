/** A table that sorts and filters, and keeps both in the address of the page. */
import { Group, Table, Text, TextInput, UnstyledButton } from "@mantine/core";
import { IconArrowDown, IconArrowUp, IconSearch } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { useSearchParams } from "react-router";

export type Column<Row> = {
  name: string;
  cell: (row: Row) => ReactNode;
  /** What the column is sorted by; without it the column does not sort. */
  by?: (row: Row) => string | number | null;
  /** Text and numbers line up at the right. */
  isNumber?: boolean;
};

type RowsProps<Row> = {
  columns: Column<Row>[];
  rows: Row[];
  keyOf: (row: Row) => string;
  /** The words of a row that the filter looks through; without it there is no filter. */
  words?: (row: Row) => string;
  beside?: ReactNode;
  empty: ReactNode;
};

/** The address of the page and how to change one part of it; no part, no trace of it. */
export function useAddress(): [URLSearchParams, (name: string, value: string | null) => void] {
  const [address, setAddress] = useSearchParams();
  const change = (name: string, value: string | null) =>
    setAddress(
      (before) => {
        if (value) before.set(name, value);
        else before.delete(name);
        return before;
      },
      { replace: true },
    );
  return [address, change];
}

export function Rows<Row>({ columns, rows, keyOf, words, beside, empty }: RowsProps<Row>) {
  const [address, change] = useAddress();
  const [sorted, isDown] = [address.get("sort"), address.get("down") === "1"];
  const wanted = (address.get("q") ?? "").toLowerCase();
  const column = columns.find((each) => each.name === sorted && each.by);
  const found = words && wanted ? rows.filter((row) => words(row).toLowerCase().includes(wanted)) : rows;
  const shown = column?.by ? inOrder(found, column.by, isDown) : found;
  return (
    <>
      {words && (
        <Group mb="xs" gap="xs">
          <TextInput
            aria-label="filter" placeholder="Filter  /" leftSection={<IconSearch size={14} />} data-search
            value={address.get("q") ?? ""} onChange={(event) => change("q", event.currentTarget.value)}
          />
          {beside}
        </Group>
      )}
      {shown.length === 0 ? (
        empty
      ) : (
        <div className="wide" tabIndex={0}>
          <Table>
            <Table.Thead>
              <Table.Tr>
                {columns.map((each) => (
                  <Table.Th key={each.name} ta={each.isNumber ? "right" : "left"} aria-sort={each.name === sorted ? (isDown ? "descending" : "ascending") : undefined}>
                    {each.by ? (
                      <UnstyledButton
                        fz="xs" fw={600} onClick={() => {
                          change("down", each.name === sorted && !isDown ? "1" : null);
                          change("sort", each.name);
                        }}
                      >
                        {each.name} {each.name === sorted && (isDown ? <IconArrowDown size={12} /> : <IconArrowUp size={12} />)}
                      </UnstyledButton>
                    ) : (
                      <Text span fz="xs" fw={600}>{each.name}</Text>
                    )}
                  </Table.Th>
                ))}
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {shown.map((row) => (
                <Table.Tr key={keyOf(row)}>
                  {columns.map((each) => (
                    <Table.Td key={each.name} ta={each.isNumber ? "right" : "left"} data-number={each.isNumber || undefined}>{each.cell(row)}</Table.Td>
                  ))}
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </div>
      )}
    </>
  );
}

export function inOrder<Row>(rows: Row[], by: (row: Row) => string | number | null, isDown: boolean): Row[] {
  const factor = isDown ? -1 : 1;
  return [...rows].sort((one, other) => {
    const [a, b] = [by(one), by(other)];
    if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1; // what has no value stands last, either way
    return (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b))) * factor;
  });
}
