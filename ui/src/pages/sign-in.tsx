/** Nobody is signed in here: how to get in. */
import { Center, Code, Stack, Text, Title } from "@mantine/core";

export function SignIn() {
  return (
    <Center mih="70vh" p="md">
      <Stack gap="xs" maw={420}>
        <Title order={1}>Tidemill</Title>
        <Text>This browser is not signed in. The command below prints a link that signs it in; the link works once.</Text>
        <Code block>tidemill open</Code>
      </Stack>
    </Center>
  );
}
