"""Connects to the host in one of the client's modes, lists everything and calls a tool."""

import asyncio
import os
import sys

from mcp import Client
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client

TOOL = "kora__get_operational_state"


async def main(url, mode):
    headers = {"Authorization": "Bearer " + os.environ["TOKEN"]}
    async with create_mcp_http_client(headers=headers) as http:
        async with Client(streamable_http_client(url, http_client=http), mode=mode) as client:
            tools = (await client.list_tools()).tools
            assert TOOL in [tool.name for tool in tools], tools
            result = await client.call_tool(TOOL, {})
            assert not result.is_error, result
            assert result.structured_content["primary_state"] == "ready", result
            result = await client.call_tool("test_simple_text", {})
            assert result.content[0].text, result
            prompts = (await client.list_prompts()).prompts
            assert "identity:acme" in [prompt.name for prompt in prompts], prompts
            resources = (await client.list_resources()).resources
            assert resources, resources
            print(mode, client.protocol_version, len(tools), "tools")


asyncio.run(main(sys.argv[1], sys.argv[2]))
