//! Which topics of a component an app may use.

/// What a component's settings say of topics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scopes {
    /// The only topics there are, if any is named.
    allowed: Vec<String>,
    /// Topics for those apps alone whose scope names them.
    protected: Vec<String>,
    /// Topics that this app may publish on, if any is named.
    publishing: Vec<String>,
    /// Topics that this app may subscribe to, if any is named.
    subscribing: Vec<String>,
}

/// The settings that have an effect.
pub(crate) const SETTINGS: &[&str] =
    &["allowedTopics", "protectedTopics", "publishingScopes", "subscriptionScopes"];

// === impl Scopes ===

impl Scopes {
    /// What the settings say of this app.
    pub(crate) fn new<'a>(app_id: &str, setting: impl Fn(&str) -> Option<&'a str>) -> Self {
        let topics = |name: &str| setting(name).map(topics).unwrap_or_default();
        let scope = |name: &str| setting(name).map(|text| scoped(text, app_id)).unwrap_or_default();
        Self {
            allowed: topics("allowedTopics"),
            protected: topics("protectedTopics"),
            publishing: scope("publishingScopes"),
            subscribing: scope("subscriptionScopes"),
        }
    }

    /// Whether the app may publish on a topic.
    pub(crate) fn may_publish(&self, topic: &str) -> bool {
        self.allows(topic, &self.publishing)
    }

    /// Whether the app may subscribe to a topic.
    pub(crate) fn may_subscribe(&self, topic: &str) -> bool {
        self.allows(topic, &self.subscribing)
    }

    fn allows(&self, topic: &str, scope: &[String]) -> bool {
        let named = |topics: &[String]| topics.iter().any(|known| known == topic);
        let allowed = !self.allowed.is_empty();
        if allowed && !named(&self.allowed) {
            return false;
        }
        // As with Dapr, a topic that is allowed by name is not protected.
        let protected = !allowed && named(&self.protected);
        (!protected && scope.is_empty()) || named(scope)
    }
}

// === free functions ===

fn topics(text: &str) -> Vec<String> {
    text.split(',').map(|topic| topic.replace(' ', "")).filter(|topic| !topic.is_empty()).collect()
}

/// The topics of an app in `app1=topic1,topic2;app2=topic3;app3=`. An app with an empty list may use none, which is
/// a list of one topic without a name.
fn scoped(text: &str, app_id: &str) -> Vec<String> {
    let text = text.replace(' ', "");
    let apps = text.split(';').filter_map(|scope| scope.split_once('='));
    let of_app = apps.filter(|(app, _)| *app == app_id);
    of_app
        .flat_map(|(_, topics)| topics.split('=').next().unwrap_or_default().split(','))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(settings: &[(&str, &'static str)]) -> Scopes {
        Scopes::new("app", |name| settings.iter().find(|(known, _)| *known == name).map(|(_, value)| *value))
    }

    #[test]
    fn scopes_say_which_topics_an_app_may_use() {
        let none = scopes(&[]);
        assert!(none.may_publish("a") && none.may_subscribe("a"));

        let publishing = scopes(&[("publishingScopes", "other=b; app = a, c ;app3=")]);
        assert!(publishing.may_publish("a") && publishing.may_publish("c"));
        assert!(!publishing.may_publish("b") && publishing.may_subscribe("b"));

        let nothing = scopes(&[("subscriptionScopes", "app=;other=a")]);
        assert!(!nothing.may_subscribe("a") && nothing.may_publish("a"));

        let others = scopes(&[("publishingScopes", "other=a")]);
        assert!(others.may_publish("a"), "who is not named is not bound");

        let allowed = scopes(&[("allowedTopics", "a,b"), ("publishingScopes", "app=a,c")]);
        assert!(allowed.may_publish("a") && !allowed.may_publish("b") && !allowed.may_publish("c"));
        assert!(allowed.may_subscribe("b") && !allowed.may_subscribe("c"));

        let protected = scopes(&[("protectedTopics", "a,b"), ("publishingScopes", "app=a")]);
        assert!(protected.may_publish("a") && !protected.may_publish("b"));
        assert!(!protected.may_subscribe("a") && protected.may_subscribe("c"));
    }
}
