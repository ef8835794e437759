"""From text directories to ``dump/raw``: articles cut to a length, units counted."""

from pathlib import Path

from espnet_mtla.errors import InputError
from espnet_mtla.files import read_table, two_folders, write_table
from espnet_mtla.units import cut_words, load_units


def cut_articles(
    data: Path | str, out: Path | str, bpemodel: Path | str, most: int
) -> str:
    """Copy a text directory, its articles cut after ``most`` units.

    Reads ``src_text``, the articles, and ``text``, their summaries; writes both
    again and beside each the number of units of every line, ``src_text_shape``
    and ``text_shape``, in which ESPnet counts batches.

    Returns:
        How many articles were cut, for a person to read.

    Raises:
        InputError: a file is missing, or an article is without a summary.
    """
    data, out = two_folders(data, out)
    units = load_units(bpemodel)
    articles, summaries = read_table(data / "src_text"), read_table(data / "text")
    for key in articles.keys() ^ summaries.keys():
        raise InputError(
            f"{data}: {key} has no article or no summary: prepare it again"
        )
    kept = {key: cut_words(text, units, most) for key, text in articles.items()}
    write_table(out / "text", summaries)
    write_table(out / "text_shape", {k: len(units(t)) for k, t in summaries.items()})
    write_table(out / "src_text_shape", {k: length for k, (_, length) in kept.items()})
    # Last: whoever finds src_text finds the rest.
    write_table(out / "src_text", {key: text for key, (text, _) in kept.items()})
    cut = sum(text != articles[key] for key, (text, _) in kept.items())
    return f"{out}: {cut} of {len(kept)} articles cut to {most} units"
