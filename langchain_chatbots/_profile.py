"""LangChain's description of a chat model, as far as it holds for a remote bot: pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_core.language_models import ModelProfile

if TYPE_CHECKING:
    from remote_chatbots.described import AppInfo, AppParameters, FileRules


# True of every bot: it calls its own tools, takes no schema, and the app decides the temperature.
ALWAYS = ModelProfile(
    text_inputs=True,
    text_outputs=True,
    tool_calling=False,
    tool_choice=False,
    structured_output=False,
    temperature=False,
)


def profile_of(info: AppInfo | None, parameters: AppParameters | None) -> ModelProfile:
    """Return what is known of a bot; a key that nobody told is not in it."""
    profile = ModelProfile(**ALWAYS)
    if info is not None and info.name:
        profile["name"] = info.name
    if parameters is not None:
        profile.update(_of_files(parameters.files))
        if parameters.text_to_speech is not None:
            profile["audio_outputs"] = parameters.text_to_speech
    return profile


def _of_files(files: FileRules) -> ModelProfile:
    if files.enabled is None:
        return ModelProfile()

    def takes(kind: str, extension: str = "") -> bool:
        named = kind in files.kinds or ("custom" in files.kinds and extension in files.extensions)
        return files.enabled is True and (named or not files.kinds)

    by_url = not files.transfer_methods or "remote_url" in files.transfer_methods
    return ModelProfile(
        attachment=files.enabled,
        image_inputs=takes("image"),
        image_url_inputs=takes("image") and by_url,
        audio_inputs=takes("audio"),
        video_inputs=takes("video"),
        pdf_inputs=takes("document", ".pdf"),
    )
