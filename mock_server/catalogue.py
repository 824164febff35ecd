"""Every operation of the vendor under /ai, speech and speech-to-text reports: who serves it here, and who does not yet.

A row: method (WS for a socket), error dialect (base/errors.py), room that serves it (`-`: answers 501), path, name.
Names are the official Python SDK's, without its leading `ai.` where a resource follows. Read from telnyx-python 4.189.0
and, for the older routes, older documentation; a test holds the rooms to it. The last rows are storage, under names of our own: which
S3 operation it is depends on the query.
"""

from collections.abc import Iterator

from mock_server.base.hints import IN_REQUESTS
from mock_server.engine.operations import Operation

ROWS = """
POST   fa     anthropic /v2/ai/anthropic/v1/messages                                              anthropic.v1.messages
GET    fa     -        /v2/ai/assistants                                                          assistants.list
POST   fa     -        /v2/ai/assistants                                                          assistants.create
GET    fa     -        /v2/ai/assistants/deleted                                                  assistants.deleted.list
POST   fa     -        /v2/ai/assistants/import                                                   assistants.imports
GET    fa     -        /v2/ai/assistants/tags                                                     assistants.tags.list
GET    fa     -        /v2/ai/assistants/tests                                                    assistants.tests.list
POST   fa     -        /v2/ai/assistants/tests                                                    assistants.tests.create
GET    fa     -        /v2/ai/assistants/tests/test-suites                                        assistants.tests.test_suites.list
GET    fa     -        /v2/ai/assistants/tests/test-suites/{suite_name}/runs                      assistants.tests.test_suites.runs.list
POST   fa     -        /v2/ai/assistants/tests/test-suites/{suite_name}/runs                      assistants.tests.test_suites.runs.trigger
DELETE fa     -        /v2/ai/assistants/tests/{test_id}                                          assistants.tests.delete
GET    fa     -        /v2/ai/assistants/tests/{test_id}                                          assistants.tests.retrieve
PUT    fa     -        /v2/ai/assistants/tests/{test_id}                                          assistants.tests.update
GET    fa     -        /v2/ai/assistants/tests/{test_id}/runs                                     assistants.tests.runs.list
POST   fa     -        /v2/ai/assistants/tests/{test_id}/runs                                     assistants.tests.runs.trigger
GET    fa     -        /v2/ai/assistants/tests/{test_id}/runs/{run_id}                            assistants.tests.runs.retrieve
DELETE fa     -        /v2/ai/assistants/{assistant_id}                                           assistants.delete
GET    fa     -        /v2/ai/assistants/{assistant_id}                                           assistants.retrieve
POST   fa     -        /v2/ai/assistants/{assistant_id}                                           assistants.update
DELETE fa     -        /v2/ai/assistants/{assistant_id}/canary-deploys                            assistants.canary_deploys.delete
GET    fa     -        /v2/ai/assistants/{assistant_id}/canary-deploys                            assistants.canary_deploys.retrieve
POST   fa     -        /v2/ai/assistants/{assistant_id}/canary-deploys                            assistants.canary_deploys.create
PUT    fa     -        /v2/ai/assistants/{assistant_id}/canary-deploys                            assistants.canary_deploys.update
POST   fa     -        /v2/ai/assistants/{assistant_id}/chat                                      assistants.chat
POST   fa     -        /v2/ai/assistants/{assistant_id}/chat/sms                                  assistants.send_sms
POST   fa     -        /v2/ai/assistants/{assistant_id}/chat/whatsapp                             assistants.whatsapp
POST   fa     -        /v2/ai/assistants/{assistant_id}/clone                                     assistants.clone
GET    fa     -        /v2/ai/assistants/{assistant_id}/deleted                                   assistants.deleted.get
POST   fa     -        /v2/ai/assistants/{assistant_id}/instructions/enhance                      assistants.instructions.enhance
POST   fa     -        /v2/ai/assistants/{assistant_id}/restore                                   assistants.restore
GET    fa     -        /v2/ai/assistants/{assistant_id}/scheduled_events                          assistants.scheduled_events.list
POST   fa     -        /v2/ai/assistants/{assistant_id}/scheduled_events                          assistants.scheduled_events.create
DELETE fa     -        /v2/ai/assistants/{assistant_id}/scheduled_events/{event_id}               assistants.scheduled_events.delete
GET    fa     -        /v2/ai/assistants/{assistant_id}/scheduled_events/{event_id}               assistants.scheduled_events.retrieve
POST   fa     -        /v2/ai/assistants/{assistant_id}/tags                                      assistants.tags.add
DELETE fa     -        /v2/ai/assistants/{assistant_id}/tags/{tag}                                assistants.tags.remove
GET    fa     -        /v2/ai/assistants/{assistant_id}/texml                                     assistants.get_texml
DELETE fa     -        /v2/ai/assistants/{assistant_id}/tools/{tool_id}                           assistants.tools.remove
PUT    fa     -        /v2/ai/assistants/{assistant_id}/tools/{tool_id}                           assistants.tools.add
POST   fa     -        /v2/ai/assistants/{assistant_id}/tools/{tool_id}/test                      assistants.tools.test
GET    fa     -        /v2/ai/assistants/{assistant_id}/versions                                  assistants.versions.list
DELETE fa     -        /v2/ai/assistants/{assistant_id}/versions/{version_id}                     assistants.versions.delete
GET    fa     -        /v2/ai/assistants/{assistant_id}/versions/{version_id}                     assistants.versions.retrieve
POST   fa     -        /v2/ai/assistants/{assistant_id}/versions/{version_id}                     assistants.versions.update
POST   fa     -        /v2/ai/assistants/{assistant_id}/versions/{version_id}/promote             assistants.versions.promote
POST   fa     audio    /v2/ai/audio/transcriptions                                                audio.transcribe
GET    fa     -        /v2/ai/avatars                                                             avatars.list
POST   fa     -        /v2/ai/avatars                                                             avatars.create
GET    fa     -        /v2/ai/avatars/{avatar_id}                                                 avatars.retrieve
PATCH  fa     -        /v2/ai/avatars/{avatar_id}                                                 avatars.update
POST   fa     chat     /v2/ai/chat/completions                                                    chat.create_completion
GET    fa     -        /v2/ai/clusters                                                            clusters.list
POST   fa     -        /v2/ai/clusters                                                            clusters.compute
DELETE fa     -        /v2/ai/clusters/{task_id}                                                  clusters.delete
GET    fa     -        /v2/ai/clusters/{task_id}                                                  clusters.retrieve
GET    fa     -        /v2/ai/clusters/{task_id}/graph                                            clusters.fetch_graph
GET    fa     -        /v2/ai/collections                                                         collections.list
POST   fa     -        /v2/ai/collections                                                         collections.create
GET    fa     -        /v2/ai/collections/slug/{slug}                                             collections.retrieve
DELETE fa     -        /v2/ai/collections/{uuid}                                                  collections.delete
GET    fa     -        /v2/ai/collections/{uuid}                                                  collections.retrieve_by_id
PATCH  fa     -        /v2/ai/collections/{uuid}                                                  collections.update
GET    fa     -        /v2/ai/collections/{uuid}/settings                                         collections.settings.list
PATCH  fa     -        /v2/ai/collections/{uuid}/settings                                         collections.settings.patch_all
PUT    fa     -        /v2/ai/collections/{uuid}/settings                                         collections.settings.create
GET    fa     -        /v2/ai/collections/{uuid}/sources                                          collections.sources.list
POST   fa     -        /v2/ai/collections/{uuid}/sources                                          collections.sources.create
PUT    fa     -        /v2/ai/collections/{uuid}/sources                                          collections.sources.replace
DELETE fa     -        /v2/ai/collections/{uuid}/sources/{source_id}                              collections.sources.delete
GET    fa     -        /v2/ai/conversation_histories                                              ai.retrieve_conversation_histories
GET    fa     conversations /v2/ai/conversations                                                  conversations.list
POST   fa     conversations /v2/ai/conversations                                                  conversations.create
GET    fa     insights /v2/ai/conversations/conversation-insights/aggregates                      conversations.conversation_insights.retrieve_aggregates
GET    fa     insights /v2/ai/conversations/insight-groups                                        conversations.insight_groups.list
POST   fa     insights /v2/ai/conversations/insight-groups                                        conversations.insight_groups.create
DELETE fa     insights /v2/ai/conversations/insight-groups/{group_id}                             conversations.insight_groups.delete
GET    fa     insights /v2/ai/conversations/insight-groups/{group_id}                             conversations.insight_groups.retrieve
PUT    fa     insights /v2/ai/conversations/insight-groups/{group_id}                             conversations.insight_groups.update
POST   fa     insights /v2/ai/conversations/insight-groups/{group_id}/insights/{insight_id}/assign conversations.insight_groups.insights.assign
DELETE fa     insights /v2/ai/conversations/insight-groups/{group_id}/insights/{insight_id}/unassign conversations.insight_groups.insights.unassign
GET    fa     insights /v2/ai/conversations/insights                                              conversations.insights.list
POST   fa     insights /v2/ai/conversations/insights                                              conversations.insights.create
DELETE fa     insights /v2/ai/conversations/insights/{insight_id}                                 conversations.insights.delete
GET    fa     insights /v2/ai/conversations/insights/{insight_id}                                 conversations.insights.retrieve
PUT    fa     insights /v2/ai/conversations/insights/{insight_id}                                 conversations.insights.update
DELETE fa     conversations /v2/ai/conversations/{conversation_id}                                conversations.delete
GET    fa     conversations /v2/ai/conversations/{conversation_id}                                conversations.retrieve
PUT    fa     conversations /v2/ai/conversations/{conversation_id}                                conversations.update
GET    fa     insights /v2/ai/conversations/{conversation_id}/conversations-insights              conversations.retrieve_conversations_insights
POST   fa     conversations /v2/ai/conversations/{conversation_id}/message                        conversations.add_message
GET    fa     conversations /v2/ai/conversations/{conversation_id}/messages                       conversations.messages.list
GET    fa     embeddings /v2/ai/embeddings                                                          embeddings.list
POST   fa     embeddings /v2/ai/embeddings                                                          embeddings.create
GET    fa     embeddings /v2/ai/embeddings/buckets                                                  embeddings.buckets.list
DELETE bucket embeddings /v2/ai/embeddings/buckets/{bucket_name}                                    embeddings.buckets.delete
GET    fa     embeddings /v2/ai/embeddings/buckets/{bucket_name}                                    embeddings.buckets.retrieve
POST   fa     embeddings /v2/ai/embeddings/similarity-search                                        embeddings.similarity_search
POST   fa     embeddings /v2/ai/embeddings/url                                                      embeddings.url
GET    fa     embeddings /v2/ai/embeddings/{task_id}                                                embeddings.retrieve
GET    fa     fine_tuning /v2/ai/fine_tuning/jobs                                                    fine_tuning.jobs.list
POST   fa     fine_tuning /v2/ai/fine_tuning/jobs                                                    fine_tuning.jobs.create
GET    fa     fine_tuning /v2/ai/fine_tuning/jobs/{job_id}                                           fine_tuning.jobs.retrieve
POST   fa     fine_tuning /v2/ai/fine_tuning/jobs/{job_id}/cancel                                    fine_tuning.jobs.cancel
GET    fa     -        /v2/ai/integrations                                                        integrations.list
GET    fa     -        /v2/ai/integrations/connections                                            integrations.connections.list
DELETE fa     -        /v2/ai/integrations/connections/{user_connection_id}                       integrations.connections.delete
GET    fa     -        /v2/ai/integrations/connections/{user_connection_id}                       integrations.connections.retrieve
GET    fa     -        /v2/ai/integrations/{integration_id}                                       integrations.retrieve
GET    fa     -        /v2/ai/knowledge/collections/{slug}/documents                              knowledge.collections.retrieve_documents
GET    fa     -        /v2/ai/mcp_servers                                                         mcp_servers.list
POST   fa     -        /v2/ai/mcp_servers                                                         mcp_servers.create
DELETE fa     -        /v2/ai/mcp_servers/{mcp_server_id}                                         mcp_servers.delete
GET    fa     -        /v2/ai/mcp_servers/{mcp_server_id}                                         mcp_servers.retrieve
PUT    fa     -        /v2/ai/mcp_servers/{mcp_server_id}                                         mcp_servers.update
GET    fa     -        /v2/ai/memory/namespaces                                                   memory.namespaces.list
POST   fa     -        /v2/ai/memory/namespaces                                                   memory.namespaces.create
DELETE fa     -        /v2/ai/memory/namespaces/{namespace}                                       memory.namespaces.delete
GET    fa     -        /v2/ai/memory/namespaces/{namespace}/operations/{operation_id}             memory.namespaces.retrieve
GET    fa     -        /v2/ai/memory/namespaces/{namespace}/profiles                              memory.namespaces.profiles.list
DELETE fa     -        /v2/ai/memory/namespaces/{namespace}/profiles/{profile_id}                 memory.namespaces.profiles.delete
POST   fa     -        /v2/ai/memory/namespaces/{namespace}/profiles/{profile_id}/ingest          memory.namespaces.profiles.ingest
GET    fa     -        /v2/ai/memory/namespaces/{namespace}/profiles/{profile_id}/memories        memory.namespaces.profiles.memories.list
GET    fa     -        /v2/ai/memory/namespaces/{namespace}/profiles/{profile_id}/memories/{memory_id} memory.namespaces.profiles.memories.retrieve
POST   fa     -        /v2/ai/memory/namespaces/{namespace}/profiles/{profile_id}/recall          memory.namespaces.profiles.recall
POST   fa     -        /v2/ai/memory/namespaces/{namespace}/profiles/{profile_id}/remember        memory.namespaces.profiles.remember
GET    fa     -        /v2/ai/memory/namespaces/{namespace}/profiles/{profile_id}/sources         memory.namespaces.profiles.sources.list
DELETE fa     -        /v2/ai/memory/namespaces/{namespace}/profiles/{profile_id}/sources/{source_id} memory.namespaces.profiles.sources.delete
GET    fa     -        /v2/ai/memory/namespaces/{namespace}/profiles/{profile_id}/sources/{source_id} memory.namespaces.profiles.sources.retrieve
GET    fa     -        /v2/ai/memory/namespaces/{namespace}/profiles/{profile_id}/summary         memory.namespaces.profiles.retrieve_summary
POST   fa     -        /v2/ai/memory/namespaces/{namespace}/profiles/{profile_id}/summary/preview memory.namespaces.profiles.preview
GET    fa     -        /v2/ai/memory/namespaces/{namespace}/settings                              memory.namespaces.settings.list
PATCH  fa     -        /v2/ai/memory/namespaces/{namespace}/settings                              memory.namespaces.settings.patch_all
GET    fa     -        /v2/ai/missions                                                            missions.list
POST   fa     -        /v2/ai/missions                                                            missions.create
GET    fa     -        /v2/ai/missions/events                                                     missions.list_events
GET    fa     -        /v2/ai/missions/runs                                                       missions.runs.list_runs
DELETE fa     -        /v2/ai/missions/{mission_id}                                               missions.delete_mission
GET    fa     -        /v2/ai/missions/{mission_id}                                               missions.retrieve
PUT    fa     -        /v2/ai/missions/{mission_id}                                               missions.update_mission
POST   fa     -        /v2/ai/missions/{mission_id}/clone                                         missions.clone_mission
GET    fa     -        /v2/ai/missions/{mission_id}/knowledge-bases                               missions.knowledge_bases.list_knowledge_bases
POST   fa     -        /v2/ai/missions/{mission_id}/knowledge-bases                               missions.knowledge_bases.create_knowledge_base
DELETE fa     -        /v2/ai/missions/{mission_id}/knowledge-bases/{knowledge_base_id}           missions.knowledge_bases.delete_knowledge_base
GET    fa     -        /v2/ai/missions/{mission_id}/knowledge-bases/{knowledge_base_id}           missions.knowledge_bases.get_knowledge_base
PUT    fa     -        /v2/ai/missions/{mission_id}/knowledge-bases/{knowledge_base_id}           missions.knowledge_bases.update_knowledge_base
GET    fa     -        /v2/ai/missions/{mission_id}/mcp-servers                                   missions.mcp_servers.list_mcp_servers
POST   fa     -        /v2/ai/missions/{mission_id}/mcp-servers                                   missions.mcp_servers.create_mcp_server
DELETE fa     -        /v2/ai/missions/{mission_id}/mcp-servers/{mcp_server_id}                   missions.mcp_servers.delete_mcp_server
GET    fa     -        /v2/ai/missions/{mission_id}/mcp-servers/{mcp_server_id}                   missions.mcp_servers.get_mcp_server
PUT    fa     -        /v2/ai/missions/{mission_id}/mcp-servers/{mcp_server_id}                   missions.mcp_servers.update_mcp_server
GET    fa     -        /v2/ai/missions/{mission_id}/runs                                          missions.runs.list
POST   fa     -        /v2/ai/missions/{mission_id}/runs                                          missions.runs.create
GET    fa     -        /v2/ai/missions/{mission_id}/runs/{run_id}                                 missions.runs.retrieve
PATCH  fa     -        /v2/ai/missions/{mission_id}/runs/{run_id}                                 missions.runs.update
POST   fa     -        /v2/ai/missions/{mission_id}/runs/{run_id}/cancel                          missions.runs.cancel_run
GET    fa     -        /v2/ai/missions/{mission_id}/runs/{run_id}/events                          missions.runs.events.list
POST   fa     -        /v2/ai/missions/{mission_id}/runs/{run_id}/events                          missions.runs.events.log
GET    fa     -        /v2/ai/missions/{mission_id}/runs/{run_id}/events/{event_id}               missions.runs.events.get_event_details
POST   fa     -        /v2/ai/missions/{mission_id}/runs/{run_id}/pause                           missions.runs.pause_run
GET    fa     -        /v2/ai/missions/{mission_id}/runs/{run_id}/plan                            missions.runs.plan.retrieve
POST   fa     -        /v2/ai/missions/{mission_id}/runs/{run_id}/plan                            missions.runs.plan.create
POST   fa     -        /v2/ai/missions/{mission_id}/runs/{run_id}/plan/steps                      missions.runs.plan.add_steps_to_plan
GET    fa     -        /v2/ai/missions/{mission_id}/runs/{run_id}/plan/steps/{step_id}            missions.runs.plan.get_step_details
PATCH  fa     -        /v2/ai/missions/{mission_id}/runs/{run_id}/plan/steps/{step_id}            missions.runs.plan.update_step
POST   fa     -        /v2/ai/missions/{mission_id}/runs/{run_id}/resume                          missions.runs.resume_run
GET    fa     -        /v2/ai/missions/{mission_id}/runs/{run_id}/telnyx-agents                   missions.runs.telnyx_agents.list
POST   fa     -        /v2/ai/missions/{mission_id}/runs/{run_id}/telnyx-agents                   missions.runs.telnyx_agents.link
DELETE fa     -        /v2/ai/missions/{mission_id}/runs/{run_id}/telnyx-agents/{telnyx_agent_id} missions.runs.telnyx_agents.unlink
GET    fa     -        /v2/ai/missions/{mission_id}/tools                                         missions.tools.list_tools
POST   fa     -        /v2/ai/missions/{mission_id}/tools                                         missions.tools.create_tool
DELETE fa     -        /v2/ai/missions/{mission_id}/tools/{tool_id}                               missions.tools.delete_tool
GET    fa     -        /v2/ai/missions/{mission_id}/tools/{tool_id}                               missions.tools.get_tool
PUT    fa     -        /v2/ai/missions/{mission_id}/tools/{tool_id}                               missions.tools.update_tool
GET    fa     models   /v2/ai/models                                                              ai.retrieve_models
POST   fa     chat     /v2/ai/openai/chat/completions                                             openai.chat.create_completion
POST   fa     openai_embeddings /v2/ai/openai/embeddings                                                   openai.embeddings.create_embeddings
GET    fa     openai_embeddings /v2/ai/openai/embeddings/models                                            openai.embeddings.list_embedding_models
GET    fa     models   /v2/ai/openai/models                                                       openai.list_models
POST   fa     responses /v2/ai/openai/responses                                                   openai.create_response
POST   fa     responses /v2/ai/responses                                                          ai.create_response
POST   fa     summarize /v2/ai/summarize                                                          ai.summarize
GET    fa     -        /v2/ai/tools                                                               tools.list
POST   fa     -        /v2/ai/tools                                                               tools.create
DELETE fa     -        /v2/ai/tools/{tool_id}                                                     tools.delete
GET    fa     -        /v2/ai/tools/{tool_id}                                                     tools.retrieve
PATCH  fa     -        /v2/ai/tools/{tool_id}                                                     tools.update
GET    fa     -        /v2/ai/tts/voices                                                          ai.list_voices
POST   fa     -        /v2/ai/typesafe/v1/systemone                                               typesafe.v1.systemone
POST   std    text_to_speech /v2/audio/speech                                                     openai.audio.create_speech
GET    std    reports  /v2/legacy/reporting/batch_detail_records/speech_to_text                   legacy.reporting.batch_detail_records.speech_to_text.list
POST   std    reports  /v2/legacy/reporting/batch_detail_records/speech_to_text                   legacy.reporting.batch_detail_records.speech_to_text.create
DELETE std    reports  /v2/legacy/reporting/batch_detail_records/speech_to_text/{id}              legacy.reporting.batch_detail_records.speech_to_text.delete
GET    std    reports  /v2/legacy/reporting/batch_detail_records/speech_to_text/{id}              legacy.reporting.batch_detail_records.speech_to_text.retrieve
GET    std    reports  /v2/legacy/reporting/usage_reports/speech_to_text                          legacy.reporting.usage_reports.retrieve_speech_to_text
POST   std    messages /v2/messages                                                               messages.send
GET    stt    speech_to_text /v2/speech-to-text/providers                                         speech_to_text.list_providers
GET    stt    speech_to_text /v2/speech-to-text/transcription                                     speech_to_text.retrieve_transcription
WS     stt    speech_to_text /v2/speech-to-text/transcription                                     speech_to_text.transcribe
POST   map    text_to_speech /v2/text-to-speech                                                   text_to_speech.generate
GET    std    text_to_speech /v2/text-to-speech/speech                                            text_to_speech.retrieve_speech
POST   map    text_to_speech /v2/text-to-speech/speech                                            text_to_speech.generate_speech
WS     std    text_to_speech /v2/text-to-speech/speech                                            text_to_speech.stream
GET    std    text_to_speech /v2/text-to-speech/speech/{audio_id}                                 text_to_speech.retrieve_audio
GET    std    text_to_speech /v2/text-to-speech/voices                                            text_to_speech.list_voices
GET    s3     buckets  /s3                                                                        s3.list_buckets
DELETE s3     buckets  /s3/{bucket}                                                               s3.delete_bucket
GET    s3     buckets  /s3/{bucket}                                                               s3.read_bucket
HEAD   s3     buckets  /s3/{bucket}                                                               s3.head_bucket
POST   s3     buckets  /s3/{bucket}                                                               s3.post_bucket
PUT    s3     buckets  /s3/{bucket}                                                               s3.put_bucket
DELETE s3     buckets  /s3/{bucket}/{key:path}                                                    s3.delete_object
GET    s3     buckets  /s3/{bucket}/{key:path}                                                    s3.get_object
HEAD   s3     buckets  /s3/{bucket}/{key:path}                                                    s3.head_object
POST   s3     buckets  /s3/{bucket}/{key:path}                                                    s3.post_object
PUT    s3     buckets  /s3/{bucket}/{key:path}                                                    s3.put_object
"""
UPLOADS = frozenset({"audio.transcribe"})
# Those that take an Idempotency-Key, as the official Python SDK's request options and the vendor's reference have it.
IDEMPOTENT = frozenset(
    {
        "ai.summarize",
        "assistants.create",
        "assistants.imports",
        "conversations.add_message",
        "conversations.create",
        "conversations.insight_groups.create",
        "conversations.insights.create",
        "embeddings.create",
        "embeddings.url",
        "messages.send",
        "tools.create",
    }
)
# Those whose answers have a `usage` of a chat, which limits of tokens count.
METERED = frozenset(
    {
        "ai.create_response",
        "anthropic.v1.messages",
        "chat.create_completion",
        "openai.chat.create_completion",
        "openai.create_response",
    }
)


def operations() -> Iterator[Operation]:
    """Fresh operations, not linked to a room yet."""
    for row in ROWS.split("\n")[1:-1]:
        method, dialect, room, path, id = row.split()
        kind = "socket" if method == "WS" else "http"
        method = "GET" if method == "WS" else method
        yield Operation(
            id, method, path, dialect, None if room == "-" else room, kind, id in UPLOADS, id in IDEMPOTENT,  # type: ignore[arg-type]
            raw=dialect == "s3", signed=dialect == "s3", metered=id in METERED,
            hinted=id in IN_REQUESTS,
        )  # fmt: skip
