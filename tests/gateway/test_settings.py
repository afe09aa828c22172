from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.data_folder import make_var_dir
from gateway.errors import CannotStart, InvalidSettings
from gateway.settings import NEW_NAMES, Settings, load_settings

NAMES = [name.upper() for name in Settings.model_fields]


@pytest.fixture(autouse=True)
def empty_place(tmp_path, monkeypatch):
    """A folder without a .env, and an environment without our settings: what is read from there is what is tested."""
    monkeypatch.chdir(tmp_path)
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def test_nothing_needs_to_be_set(tmp_path):
    settings = load_settings()
    assert settings.effective_database_url == f"sqlite:///{tmp_path}/var/explore.sqlite"
    assert (settings.host, settings.port, settings.workers, settings.graphiql) == ("127.0.0.1", 8000, 1, True)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_says_what_it_means(name):
    description = Settings.model_fields[name].description
    assert description
    assert description.endswith(".")


def test_the_environment_wins_over_the_file_and_an_option_over_both(monkeypatch):
    Path(".env").write_text("PORT=1111\nHOST=::1\nSOMETHING_ELSE=1\n")
    monkeypatch.setenv("PORT", "2222")
    assert (load_settings().port, load_settings().host) == (2222, "::1")
    assert load_settings(port=3333, host=None).port == 3333


def test_the_data_folder_is_named_in_full_wherever_it_is_set(tmp_path, monkeypatch):
    Path(".env").write_text("VAR_DIR=data/here")
    assert load_settings().var_dir == tmp_path / "data" / "here"
    monkeypatch.setenv("VAR_DIR", "../there")
    assert load_settings().var_dir == tmp_path / ".." / "there"
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.setenv("VAR_DIR", "~/explore")
    assert load_settings().var_dir == Path("/home/ada/explore")


def test_an_empty_variable_means_the_default(monkeypatch):
    for name in NAMES:
        monkeypatch.setenv(name, "")
    assert load_settings() == Settings(_env_file=None)


def test_origins_are_separated_by_commas(monkeypatch):
    monkeypatch.setenv("ALLOW_ORIGINS", "https://a.example, http://localhost:3000,")
    assert load_settings().allow_origins == ("https://a.example", "http://localhost:3000")


@pytest.mark.parametrize(("text", "value"), [("off", False), ("on", True), ("false", False), ("1", True)])
def test_graphiql_is_on_or_off(monkeypatch, text, value):
    monkeypatch.setenv("GRAPHIQL", text)
    assert load_settings().graphiql is value


BAD = {
    "PATH_PREFIX": ["feed", "//feed", "/a/../b", "/graphql"],
    "PORT": ["http", "-1", "65536", "80.5"],
    "WORKERS": ["0", "65", "many"],
    "DATABASE_POOL_SIZE": ["0", "101"],
    "GRAPHIQL": ["perhaps"],
    "LOG_FORMAT": ["xml"],
    "LOG_LEVEL": ["loud"],
    "TOKEN_SECRET": ["hunter2"],
    "VAR_DIR": ["~no-such-user/var"],
    "ALLOW_HEADERS": ["X-Tenant: a", "X Tenant", "x\r\ny", "Überschrift", "X-A,,X-B;X-C"],
    "ALLOW_ORIGINS": ["example.com", "https://a.example/path", "ftp://a.example"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_a_bad_setting_is_named_in_one_sentence_that_says_how_to_mend_it(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    result = CliRunner().invoke(app, ["token", "ada"])
    assert result.exit_code == 2
    assert result.stdout == ""
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith(f"explore: {name} ")
    for word in ("pydantic", "Traceback", "validation error", "Input should"):
        assert word not in line


def test_a_secret_is_never_shown(monkeypatch):
    monkeypatch.setenv("TOKEN_SECRET", "hunter2")
    with pytest.raises(InvalidSettings, match="TOKEN_SECRET has 7 bytes; make a longer one") as raised:
        load_settings()
    assert "hunter2" not in str(raised.value)
    shown = repr(Settings(_env_file=None, token_secret="x" * 40, database_url="postgresql://a:hunter2@h/n"))
    assert "x" * 40 not in shown
    assert "hunter2" not in shown


def test_several_bad_settings_are_all_named(monkeypatch):
    monkeypatch.setenv("PORT", "x")
    monkeypatch.setenv("WORKERS", "x")
    with pytest.raises(InvalidSettings) as raised:
        load_settings()
    assert [line.split()[0] for line in str(raised.value).splitlines()] == ["PORT", "WORKERS"]


@pytest.mark.parametrize("place", ["environment", "file"])
def test_an_old_name_of_a_setting_is_reported_with_the_new_one(monkeypatch, place):
    if place == "environment":
        monkeypatch.setenv("EVENTS_KEPT_DAYS", "90")
    else:
        Path(".env").write_text("events_kept_days=90\n")
    with pytest.raises(InvalidSettings, match=r"^EVENTS_KEPT_DAYS is now named EVENT_RETENTION_DAYS; rename it$"):
        load_settings()


def test_every_old_name_leads_to_a_setting():
    assert set(NEW_NAMES.values()) <= set(NAMES)
    assert not set(NEW_NAMES) & set(NAMES)


def test_a_bad_option_is_named_as_an_option():
    with pytest.raises(InvalidSettings, match=r"^--port is '70000'"):
        load_settings(port=70000)


def test_a_file_that_is_no_text_gives_a_sentence():
    Path(".env").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidSettings, match=r"\.env cannot be read"):
        load_settings()


def test_a_folder_that_cannot_be_made_gives_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotStart, match=r"cannot be written .* or set VAR_DIR"):
        make_var_dir(Settings(_env_file=None, var_dir=tmp_path / "file" / "var"))


@pytest.mark.parametrize("name", ["PROJECT_EMBEDDING_MODEL", "WEAVIATE_EMBEDDING_MODEL"])
def test_the_name_of_a_model_that_the_stores_keep_has_no_control_characters(monkeypatch, name):
    monkeypatch.setenv(name, "model\x07")
    with pytest.raises(InvalidSettings, match=f"^{name} is 'model.x07', which cannot be used"):
        load_settings()


@pytest.mark.parametrize("text", ["20270131", "1801440000", "2027-01-31T12:00:00"])
def test_the_end_of_the_previous_secret_is_a_time_with_its_zone(monkeypatch, text):
    monkeypatch.setenv("TOKEN_SECRET_PREVIOUS_UNTIL", text)
    with pytest.raises(InvalidSettings, match=r"as in 2027-01-31T12:00:00Z"):
        load_settings()
    assert Settings(_env_file=None, token_secret_previous_until="2027-01-31T12:00:00Z")
