/** The one graph: for pipelines, runs and lineage. */
import dagre from "@dagrejs/dagre";
import { Background, Controls, type Edge, Handle, type Node, type NodeProps, Position, ReactFlow } from "@xyflow/react";
import { useMemo } from "react";
import { useMantineColorScheme } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";

import { lookOf } from "./state";

export type GraphNode = { id: string; name: string; state: string; note?: string };
export type GraphEdge = { from: string; to: string };

const WIDTH = 200;
const HEIGHT = 44;
const LEAST_HEIGHT = 180;
const MOST_HEIGHT = 352;

type Direction = "LR" | "TB";
type StepNode = Node<GraphNode & { selected: boolean; direction: Direction }, "step">;

function Step({ data }: NodeProps<StepNode>) {
  const { icon: Shape, color } = lookOf(data.state);
  return (
    <div className="step" data-selected={data.selected} title={`${data.name}: ${data.state}`}>
      <Handle type="target" position={data.direction === "TB" ? Position.Top : Position.Left} isConnectable={false} style={{ opacity: 0 }} />
      <Shape size={16} color={`var(--mantine-color-${color}-6)`} aria-label={data.state} />
      <span className="name">{data.name}</span>
      {data.note && <span className="muted" style={{ marginLeft: "auto", fontSize: "0.75rem" }}>{data.note}</span>}
      <Handle type="source" position={data.direction === "TB" ? Position.Bottom : Position.Right} isConnectable={false} style={{ opacity: 0 }} />
    </div>
  );
}

/** Where each node stands: layers from left to right, on a narrow screen from top to bottom. */
export function placed(nodes: GraphNode[], edges: GraphEdge[], direction: Direction = "LR"): Map<string, { x: number; y: number }> {
  const layout = new dagre.graphlib.Graph().setGraph({ rankdir: direction, nodesep: 18, ranksep: direction === "LR" ? 40 : 24 }).setDefaultEdgeLabel(() => ({}));
  for (const node of nodes) layout.setNode(node.id, { width: WIDTH, height: HEIGHT });
  for (const edge of edges) layout.setEdge(edge.from, edge.to);
  dagre.layout(layout);
  return new Map(nodes.map(({ id }) => [id, { x: layout.node(id).x - WIDTH / 2, y: layout.node(id).y - HEIGHT / 2 }]));
}

/** As high as its rows need, so that a chain of steps leaves room for what is below it; in pixels. */
export function heightOf(places: Map<string, { y: number }>): number {
  const ys = [...places.values()].map(({ y }) => y);
  return Math.min(MOST_HEIGHT, Math.max(LEAST_HEIGHT, Math.max(0, ...ys) - Math.min(0, ...ys) + HEIGHT + 60));
}

type GraphProps = { nodes: GraphNode[]; edges: GraphEdge[]; selected?: string | null; onSelect?: (id: string) => void };

const KINDS = { step: Step };

export function Graph({ nodes, edges, selected = null, onSelect }: GraphProps) {
  const { colorScheme } = useMantineColorScheme();
  const direction = useMediaQuery("(max-width: 48em)", false, { getInitialValueInEffect: false }) ? "TB" : "LR";
  const shape = JSON.stringify([nodes.map((node) => node.id), edges]);
  // eslint-disable-next-line react-hooks/exhaustive-deps -- the places depend on the shape alone, not on states
  const places = useMemo(() => placed(nodes, edges, direction), [shape, direction]);
  const drawn: StepNode[] = nodes.map((node) => ({
    id: node.id, type: "step", position: places.get(node.id) ?? { x: 0, y: 0 }, data: { ...node, selected: node.id === selected, direction },
  }));
  const lines: Edge[] = edges.map(({ from, to }) => ({ id: `${from}>${to}`, source: from, target: to }));
  return (
    <div className="graph" style={direction === "LR" ? { height: heightOf(places) } : {}}>
      <ReactFlow
        nodes={drawn} edges={lines} nodeTypes={KINDS} fitView fitViewOptions={{ maxZoom: 1, padding: 0.05 }} key={direction} minZoom={0.1}
        nodesDraggable={false} nodesConnectable={false} colorMode={colorScheme === "auto" ? "system" : colorScheme}
        onNodeClick={(_, node) => onSelect?.(node.id)} onlyRenderVisibleElements
      >
        <Background gap={20} />
        {direction === "LR" && <Controls showInteractive={false} orientation="horizontal" />}
      </ReactFlow>
    </div>
  );
}
