/** What stands around each page: the way to the others, who is signed in, and whether the site is heard. */
import { ActionIcon, AppShell, Badge, Burger, Group, Loader, NavLink, Text, Tooltip, useComputedColorScheme, useMantineColorScheme } from "@mantine/core";
import { useDisclosure, useHotkeys } from "@mantine/hooks";
import {
  IconActivity, IconAdjustments, IconBolt, IconBox, IconChecklist, IconExternalLink, IconFlask, IconHeartbeat, IconHome, IconMoon, IconPlayerPlay, IconServer, IconSun, type Icon,
} from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Suspense } from "react";
import { NavLink as RouterLink, Outlet, useLocation, useNavigate, useNavigation } from "react-router";

import { Refusal, api, told } from "./api/client";
import { useLine } from "./api/live";
import { useMlflow } from "./api/queries";
import { SignIn } from "./pages/sign-in";

const PLACES: [string, string, Icon][] = [
  ["/", "Home", IconHome],
  ["/experiments", "Experiments", IconFlask],
  ["/runs", "Runs", IconPlayerPlay],
  ["/tunings", "Tuning", IconAdjustments],
  ["/reviews", "Reviews", IconChecklist],
  ["/models", "Models", IconBox],
  ["/services", "Services", IconServer],
  ["/monitoring", "Monitoring", IconActivity],
  ["/triggers", "Triggers", IconBolt],
  ["/health", "Health", IconHeartbeat],
];

export function Shell() {
  const [isOpen, { toggle, close }] = useDisclosure();
  const { pathname } = useLocation();
  const whoami = useQuery({ queryKey: ["whoami"], queryFn: () => told(api.GET("/api/v1/whoami")) });
  useKeys();
  if (whoami.error instanceof Refusal && whoami.error.status === 401) return <SignIn />;
  return (
    <AppShell header={{ height: 48 }} navbar={{ width: 190, breakpoint: "sm", collapsed: { mobile: !isOpen } }} padding="md">
      <AppShell.Header px="md">
        <Group h="100%" justify="space-between" wrap="nowrap">
          <Group gap="sm" wrap="nowrap">
            <Burger opened={isOpen} onClick={toggle} hiddenFrom="sm" size="sm" aria-label="pages" />
            <img src="/favicon.svg" alt="" width={22} height={22} />
            <Text fw={700}>Tidemill</Text>
            <Line />
          </Group>
          <Group gap="xs" wrap="nowrap">
            <Text size="xs" c="dimmed" truncate maw={160}>{whoami.data?.person}</Text>
            <Theme />
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar p="xs" aria-label="pages">
        {PLACES.map(([to, name, Picture]) => (
          <NavLink
            key={to} component={RouterLink} to={to} label={name} leftSection={<Picture size={16} />} onClick={close}
            active={to === "/" ? pathname === "/" : pathname.startsWith(to)}
          />
        ))}
        <Mlflow />
      </AppShell.Navbar>
      <AppShell.Main>
        <Suspense fallback={<Loader size="sm" />}>
          <Outlet />
        </Suspense>
        <Waiting />
      </AppShell.Main>
    </AppShell>
  );
}

function Mlflow() {
  return useMlflow() ? <NavLink component="a" href="/mlflow/" label="MLflow" leftSection={<IconExternalLink size={16} />} /> : null;
}

function Waiting() {
  return useNavigation().state === "loading" ? <Loader size="xs" pos="fixed" bottom={12} right={12} /> : null;
}

function Line() {
  const line = useLine();
  if (line !== "lost") return null;
  return <Badge color="orange" role="status">the site is not heard</Badge>;
}

function Theme() {
  const { setColorScheme } = useMantineColorScheme();
  const now = useComputedColorScheme("light");
  const other = now === "dark" ? "light" : "dark";
  return (
    <Tooltip label={`${other} theme`}>
      <ActionIcon variant="subtle" color="gray" aria-label={`${other} theme`} onClick={() => setColorScheme(other)}>
        {now === "dark" ? <IconSun size={18} /> : <IconMoon size={18} />}
      </ActionIcon>
    </Tooltip>
  );
}

/** `/` goes to the filter of the page; `g` and a letter goes to a page. */
function useKeys() {
  const navigate = useNavigate();
  const letters: Record<string, string> = { h: "/", e: "/experiments", r: "/runs", t: "/tunings", v: "/reviews", m: "/models", s: "/services", o: "/monitoring", i: "/triggers", l: "/health" };
  useHotkeys([
    ["/", () => document.querySelector<HTMLInputElement>("input[data-search]")?.focus()],
    [
      "g",
      () => {
        const second = (event: KeyboardEvent) => {
          const to = letters[event.key];
          if (to) void navigate(to);
        };
        window.addEventListener("keydown", second, { once: true });
        setTimeout(() => window.removeEventListener("keydown", second), 1500);
      },
    ],
  ]);
}
